"use client";

export { useAgent, useAgentList, type UseAgent } from "./agent.js";
export { SecondProvider, useSecond } from "./context.js";
export { useCollection, useDoc, type UseCollection, type UseDoc } from "./data.js";
