/**
 * Notices when a frame has another document: its window stays the same. The page says so by the frame's srcdoc or src,
 * or by another frame. A load that the page has not begun is one that the document has begun itself.
 */
export class FrameWatch {
  private readonly frameNow: () => HTMLIFrameElement | null;
  private readonly replaced: () => void;
  private readonly loaded: (byPage: boolean) => void;
  private readonly attributes = new MutationObserver(() => this.another());
  private frame: HTMLIFrameElement | null = null;
  /**
   * Loads that the page has begun: two if it has begun another before the first was over, which may
   * then never come.
   */
  private awaited = 1;

  constructor(
    frame: () => HTMLIFrameElement | null,
    replaced: () => void,
    loaded: (byPage: boolean) => void,
  ) {
    this.frameNow = frame;
    this.replaced = replaced;
    this.loaded = loaded;
    this.look();
  }

  /** Notices another frame, and returns the one there is. */
  look(): HTMLIFrameElement | null {
    const frame = this.frameNow();
    if (!frame || frame === this.frame) return frame;
    this.end();
    this.frame = frame;
    frame.addEventListener("load", this.load);
    this.attributes.observe(frame, { attributeFilter: ["src", "srcdoc"] });
    return frame;
  }

  /** What an app has sent: a message counts only if it comes from the frame's own window. */
  messageOf(event: MessageEvent): Record<string, unknown> | null {
    const frame = this.look();
    const data: unknown = event.data;
    if (!frame?.contentWindow || event.source !== frame.contentWindow) return null;
    if (typeof data !== "object" || data === null) return null;
    const message = data as Record<string, unknown>;
    return message["source"] === "second-app" ? message : null;
  }

  end(): void {
    this.replaced();
    this.frame?.removeEventListener("load", this.load);
    this.attributes.disconnect();
    this.frame = null;
    this.awaited = 1;
  }

  private another(): void {
    this.awaited = Math.min(this.awaited + 1, 2);
    this.replaced();
  }

  private readonly load = (): void => {
    const byPage = this.awaited > 0;
    if (byPage) this.awaited--;
    this.loaded(byPage);
  };
}
