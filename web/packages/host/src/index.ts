"use client";

export { AppAgentBridge, type AppAgentBridgeProps } from "./agent-bridge.js";
export { AppDataBridge, type AppDataBridgeProps } from "./data-bridge.js";
export type { AppDataLiveChange } from "./frame.js";
export { subscribeToRunEvents, subscribeToSharedEventSource } from "./shared-events.js";
