"use client";

import { connect, type Second } from "@secondgate/core";
import { useEffect, useRef, type ReactNode } from "react";
import type { AppDataLiveChange } from "./frame.js";
import { Sessions } from "./sessions.js";

export interface AppDataBridgeProps {
  workspaceId: string;
  appId: string;
  sourceVersion: "draft" | "published";
  iframeRef: { readonly current: HTMLIFrameElement | null };
  onDataChange?: (change: AppDataLiveChange) => void;
  /** The gateway's address; by default the page's own origin. */
  url?: string;
  token?: () => string | Promise<string>;
  /** Offline: the app shows what there was, and its writes wait. */
  paused?: boolean;
  /** Another implementation of WebSocket, for tests. */
  WebSocket?: typeof WebSocket;
}

/**
 * Relays between an app in a frame and the gateway. It renders nothing. A message counts only if it comes from the
 * frame's own window; its origin says nothing, because a sandboxed frame has none.
 */
export function AppDataBridge(props: AppDataBridgeProps): ReactNode {
  const latest = useRef(props);
  latest.current = props;
  const sessions = useRef<Sessions | null>(null);
  const data = useRef<Second | null>(null);
  const { workspaceId, appId, sourceVersion, url, paused = false } = props;
  useEffect(() => {
    const { token, WebSocket: socket } = latest.current;
    const app = connect({
      workspace: workspaceId,
      app: appId,
      version: sourceVersion,
      ...(url ? { url } : {}),
      ...(token ? { token } : {}),
      ...(socket ? { WebSocket: socket } : {}),
    });
    const of = new Sessions(app, sourceVersion, {
      frame: () => latest.current.iframeRef.current,
      changed: (change) => latest.current.onDataChange?.(change),
    });
    sessions.current = of;
    data.current = app;
    window.addEventListener("message", of.receive);
    return () => {
      window.removeEventListener("message", of.receive);
      of.end();
      app.close();
    };
  }, [workspaceId, appId, sourceVersion, url]);
  useEffect(() => {
    if (paused) data.current?.pause();
    else data.current?.resume();
  }, [workspaceId, appId, sourceVersion, url, paused]);
  useEffect(() => void sessions.current?.look()); // a frame that comes later is seen before it loads
  return null;
}
