import { SecondError } from "./error.js";
import { randomId } from "./ids.js";
import { errorOf, type Message, type Request } from "./wire.js";

/** An agent that the app may have work. */
export interface Agent {
  readonly id: string;
  readonly name: string;
  readonly description: string;
}

/** How a run has ended. */
export interface RunEnd {
  readonly runId: string;
  readonly status: "completed" | "failed";
  /** A sentence, of a failed run. */
  readonly error: string | null;
}

/** Something that is asked until it is answered, on one connection after the other. */
interface Asked {
  request: Request;
  sent: string | null;
  answer(m: Message): void;
  reject(error: SecondError): void;
}

type Send = (request: Request) => string | null;

/**
 * The runs that this page has triggered. None is started twice, and no end is missed, whatever
 * becomes of connections.
 */
export class Agents {
  private readonly send: Send;
  private asked: Asked[] = [];
  private readonly running = new Map<string, (end: RunEnd) => void>();

  constructor(send: Send) {
    this.send = send;
  }

  list(): Promise<Agent[]> {
    return this.ask({ type: "second:agents:list" }).then((m) => m.agents ?? []);
  }

  /**
   * Starts a run. ended is called once, after the promise has resolved with the run's id. A run
   * that cannot start ends too.
   */
  async trigger(agentId: string, prompt: string, ended: (end: RunEnd) => void): Promise<string> {
    const request = { type: "second:agent:trigger", agentId, prompt, mutationId: randomId() };
    const m = await this.ask(request, (answer) => {
      if (answer.runId) this.running.set(answer.runId, ended);
    });
    return m.runId as string;
  }

  private ask(request: Request, answered?: (m: Message) => void): Promise<Message> {
    return new Promise((resolve, reject) => {
      const answer = (m: Message): void => {
        answered?.(m);
        const error = errorOf(m);
        if (error && !m.runId) reject(error);
        else resolve(m);
      };
      this.asked.push({ request, sent: this.send(request), answer, reject });
    });
  }

  /** A new connection: what is not answered is asked again, and runs whose end is not known are followed. */
  opened(): void {
    for (const a of this.asked) a.sent = this.send(a.request);
    for (const runId of this.running.keys()) this.send({ type: "second:agent:follow", runId });
  }

  /** Takes a message that is about agents. */
  message(m: Message): boolean {
    if (m.type === "second:agent:update") {
      const ended = this.running.get(m.runId ?? "");
      this.running.delete(m.runId ?? "");
      const status = m.status === "completed" ? "completed" : "failed";
      // Both may come in one frame, and the promise of the run's id resolves first.
      setTimeout(() => ended?.({ runId: m.runId ?? "", status, error: endError(m) }), 0);
      return true;
    }
    const a = this.asked.find((one) => one.sent !== null && one.sent === m.requestId);
    if (!a) return false;
    if (m.error?.retryable && !m.runId) {
      setTimeout(
        () => (a.sent = this.asked.includes(a) ? this.send(a.request) : null),
        500 + 500 * Math.random(),
      );
      return true;
    }
    this.asked = this.asked.filter((one) => one !== a);
    a.answer(m);
    return true;
  }

  close(error: SecondError): void {
    for (const a of this.asked.splice(0)) a.reject(error);
    this.running.clear();
  }
}

const endError = (m: Message): string | null =>
  m.status === "completed" ? null : typeof m.error === "string" ? m.error : "the agent's run has failed";
