/** A message of the page around the frame. Any field may be missing. */
export interface HostMessage {
  type: string;
  [field: string]: unknown;
}

/** Calls heard with each message of the page around the frame. It returns the function that ends it. */
export function hear(heard: (m: HostMessage) => void): () => void {
  const receive = (event: MessageEvent): void => {
    if (event.source === window.parent && event.data?.source === "second-platform")
      heard(event.data as HostMessage);
  };
  window.addEventListener("message", receive);
  return () => window.removeEventListener("message", receive);
}

/** Sends a message to the page around the frame. */
export function say(type: string, fields: Record<string, unknown>): void {
  window.parent.postMessage({ ...fields, source: "second-app", type }, "*");
}
