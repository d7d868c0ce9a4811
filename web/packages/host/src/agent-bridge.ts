"use client";

import { useEffect, useRef, type ReactNode } from "react";
import { Runs } from "./runs.js";
import { subscribeToSharedEventSource } from "./shared-events.js";
import { FrameWatch } from "./watch.js";

export interface AppAgentBridgeProps {
  workspaceId: string;
  appId: string;
  sourceVersion: "draft" | "published";
  iframeRef: { readonly current: HTMLIFrameElement | null };
  agents: { id: string; name: string; description: string }[];
  onAgentRunStarted?: (runId: string, agentId: string, prompt: string) => void;
  /** The gateway's address; by default the page's own origin. */
  url?: string;
  token?: () => string | Promise<string>;
}

/** Has agents work for an app in a frame, and tells it how that ends. It renders nothing. */
export function AppAgentBridge(props: AppAgentBridgeProps): ReactNode {
  const latest = useRef(props);
  latest.current = props;
  const { workspaceId, appId, sourceVersion, url = "" } = props;
  useEffect(() => {
    const part = encodeURIComponent;
    const workspace = `${url.replace(/\/+$/, "")}/api/workspaces/${part(workspaceId)}`;
    const runs = new Runs(
      `${workspace}/apps/${part(appId)}`,
      sourceVersion,
      (path, init) => request(path, init, latest.current.token),
      (runId, agentId, prompt) => latest.current.onAgentRunStarted?.(runId, agentId, prompt),
    );
    let documents = 0; // that the frame has had
    const watch = new FrameWatch(
      () => latest.current.iframeRef.current,
      () => documents++,
      (byPage) => {
        if (!byPage) documents++;
      },
    );
    const receive = (event: MessageEvent): void => {
      const asked = watch.messageOf(event);
      const document = documents;
      const frame = watch.look();
      const post = (message: object): void => {
        // to the document that has asked, and to no other
        if (watch.look() !== frame || documents !== document) return;
        frame?.contentWindow?.postMessage({ source: "second-platform", ...message }, "*");
      };
      if (asked?.["type"] === "second:agents:list-request") {
        const agents = latest.current.agents.map(({ id, name, description }) => ({ id, name, description }));
        post({ type: "second:agents:list", agents });
      } else if (asked?.["type"] === "second:agent:trigger" && typeof asked["requestId"] === "string") {
        void runs.trigger(asked["requestId"], String(asked["agentId"]), String(asked["prompt"] ?? ""), post);
      }
    };
    window.addEventListener("message", receive);
    const stop = subscribeToSharedEventSource(`${workspace}/events`, "workspace-events", (data) =>
      runs.event(data),
    );
    return () => {
      window.removeEventListener("message", receive);
      watch.end();
      stop();
      runs.end();
    };
  }, [workspaceId, appId, sourceVersion, url]);
  return null;
}

async function request(
  path: string,
  init: RequestInit,
  token?: () => string | Promise<string>,
): Promise<Response> {
  const bearer = await token?.();
  const headers = { ...init.headers, ...(bearer ? { Authorization: `Bearer ${bearer}` } : {}) };
  return fetch(path, { ...init, headers, credentials: "include" });
}
