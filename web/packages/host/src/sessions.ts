import type { Second } from "@secondgate/core";
import { FrameSession, type AppDataLiveChange } from "./frame.js";
import { FrameWatch } from "./watch.js";

const mostPorts = 8; // an app that greets too early greets again

interface PortSession {
  session: FrameSession;
  port: MessagePort;
  loads: number;
}

/** Where the frame is, and who hears of changes. */
export interface Around {
  frame(): HTMLIFrameElement | null;
  changed(change: AppDataLiveChange): void;
}

/**
 * The sessions of the documents that a frame has one after the other. A document that says hello gives a port, which no
 * other document can hear. Today's apps send window messages.
 */
export class Sessions {
  private readonly app: Second;
  private readonly version: "draft" | "published";
  private readonly around: Around;
  private readonly watch: FrameWatch;
  private window: FrameSession | null = null;
  private ports: PortSession[] = [];
  private newest: FrameSession | null = null;

  constructor(app: Second, version: "draft" | "published", around: Around) {
    this.app = app;
    this.version = version;
    this.around = around;
    this.watch = new FrameWatch(
      around.frame,
      () => this.replaced(),
      (byPage) => this.loaded(byPage),
    );
  }

  readonly receive = (event: MessageEvent): void => {
    const asked = this.watch.messageOf(event);
    if (!asked) return;
    if (asked["type"] === "second:hello") this.hello(event.ports[0]);
    else void this.byWindow().handle(asked);
  };

  /** Notices another frame, before it loads. */
  look(): void {
    this.watch.look();
  }

  end(): void {
    this.watch.end();
  }

  /** The page gives the frame another document: the sessions of the one that was there end. */
  private replaced(): void {
    this.window?.end();
    this.window = null;
    for (const one of this.ports.splice(0)) endPort(one);
  }

  private loaded(byPage: boolean): void {
    if (!byPage) this.window?.mute();
    // A document greets before or after its own load, so the second load is another's.
    for (const one of this.ports) one.loads++;
    this.ports.filter((one) => one.loads > 1).forEach(endPort);
    this.ports = this.ports.filter((one) => one.loads <= 1);
  }

  private byWindow(): FrameSession {
    const frame = this.watch.look();
    const target = frame?.contentWindow;
    const post = (message: object): void => {
      if (this.around.frame() === frame) target?.postMessage(message, "*");
    };
    return (this.window ??= this.begin({ post, grouped: false }));
  }

  private hello(port: MessagePort | undefined): void {
    if (!port) return;
    const session = this.begin({ post: (message) => port.postMessage(message), grouped: true });
    const one = { session, port, loads: 0 };
    this.ports.push(one);
    if (this.ports.length > mostPorts) this.ports.splice(0, 1).forEach(endPort);
    port.onmessage = (event) => {
      if (event.data?.type === "second:bye") this.bye(one);
      else if (typeof event.data === "object" && event.data)
        void session.handle(event.data as Record<string, unknown>);
    };
    port.postMessage({ type: "second:hello-response", version: 1 });
  }

  private bye(one: PortSession): void {
    this.ports = this.ports.filter((other) => other !== one);
    endPort(one);
  }

  private begin(way: ConstructorParameters<typeof FrameSession>[2]): FrameSession {
    const session: FrameSession = new FrameSession(this.app, this.version, way, (change) => {
      if (this.newest === session) this.around.changed(change);
    });
    this.newest = session;
    return session;
  }
}

function endPort({ session, port }: PortSession): void {
  session.end();
  port.postMessage({ type: "second:bye" });
  port.close();
}
