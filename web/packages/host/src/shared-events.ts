const firstWait = 1_000; // before an event stream that was refused is tried again
const longestWait = 30_000;

/**
 * Calls onEvent with each event of a stream. The tabs of one origin share one stream: one of them has it and passes
 * events on, in the form that today's pages use, so that old and new tabs can share it. It returns the function that
 * ends it.
 */
export function subscribeToSharedEventSource(
  eventsUrl: string,
  channelPrefix: string,
  onEvent: (data: string) => void,
): () => void {
  const locks = globalThis.navigator?.locks;
  if (!locks || typeof BroadcastChannel === "undefined") return follow(eventsUrl, onEvent);
  const channel = new BroadcastChannel(`${channelPrefix}:${eventsUrl}`);
  channel.onmessage = ({ data }) => {
    if (data?.t === "e" && typeof data.d === "string") onEvent(data.d);
  };
  let ended = false;
  let lead = new AbortController();
  const apply = (): void => {
    lead = new AbortController();
    const { signal } = lead;
    const leading = (): Promise<void> =>
      new Promise((resolve) => {
        const stop = follow(eventsUrl, (data) => {
          channel.postMessage({ t: "e", d: data });
          onEvent(data);
        });
        signal.addEventListener("abort", () => {
          stop();
          resolve();
        });
        if (signal.aborted) resolve();
      });
    const lock = `${channelPrefix}-leader:${eventsUrl}`;
    locks.request(lock, { signal }, leading).catch(() => undefined); // aborted
  };
  // A page that is put away keeps its lock and hears nothing: another tab must have it.
  const leave = (): void => lead.abort();
  const come = (): void => {
    if (!ended && lead.signal.aborted) apply();
  };
  window.addEventListener("pagehide", leave);
  window.addEventListener("pageshow", come);
  apply();
  return () => {
    ended = true;
    lead.abort();
    channel.close();
    window.removeEventListener("pagehide", leave);
    window.removeEventListener("pageshow", come);
  };
}

/**
 * One event stream that comes back also where EventSource gives up, which it does after any status
 * but 200.
 */
function follow(url: string, onEvent: (data: string) => void): () => void {
  let source: EventSource;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let wait = firstWait;
  const open = (): void => {
    source = new EventSource(url, { withCredentials: true });
    source.onopen = () => (wait = firstWait);
    source.onmessage = (event) => onEvent(String(event.data));
    source.onerror = () => {
      if (source.readyState !== EventSource.CLOSED) return;
      timer = setTimeout(open, wait * (0.5 + Math.random() / 2));
      wait = Math.min(2 * wait, longestWait);
    };
  };
  open();
  return () => {
    clearTimeout(timer);
    source.close();
  };
}

/** Events of runs, as today's pages subscribe to them. */
export function subscribeToRunEvents(eventsUrl: string, onEvent: (data: string) => void): () => void {
  return subscribeToSharedEventSource(eventsUrl, "run-events", onEvent);
}
