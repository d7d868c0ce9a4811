"use client";

export { useCollection, useDoc } from "./data.js";
export { useAgent, useAgentList } from "./agent.js";
export {
  callIntegrationTool,
  formatIntegrationToolError,
  reportIntegrationToolFailure,
  useIntegrationTool,
} from "./integration.js";
export type { IntegrationToolFailureReportResult, IntegrationToolResult } from "./integration.js";
