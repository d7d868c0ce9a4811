import type { Second } from "@secondgate/core";
import { createContext, createElement, useContext, type ReactNode } from "react";

const Context = createContext<Second | null>(null);

/** Gives the hooks below it an app's data. */
export function SecondProvider({ app, children }: { app: Second; children?: ReactNode }): ReactNode {
  return createElement(Context.Provider, { value: app }, children);
}

/** The app's data, for what the hooks do not do. */
export function useSecond(): Second {
  const app = useContext(Context);
  if (!app) throw new Error("put <SecondProvider app={connect({…})}> around what uses data");
  return app;
}
