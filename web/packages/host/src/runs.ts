type Post = (message: Record<string, unknown>) => void;

/** A run that the app in the frame has triggered. */
interface Run {
  agentId: string;
  post: Post;
  started: boolean;
  /** The end that came before the start was told. */
  end: { status: "completed" | "failed"; error?: string } | null;
}

const firstCheck = 5_000; // a run that ends at once may have ended before its events were followed
const checkEach = 15_000;

/**
 * Starts runs of agents by REST and tells the app their ends: never before the start, and never without a run's id.
 * Today's hook would wait for ever after the one, and take the other for its own.
 */
export class Runs {
  private readonly base: string;
  private readonly version: string;
  private readonly request: (path: string, init: RequestInit) => Promise<Response>;
  private readonly started: (runId: string, agentId: string, prompt: string) => void;
  private readonly runs = new Map<string, Run>();
  private readonly timers = new Set<ReturnType<typeof setTimeout>>();
  private readonly checks: ReturnType<typeof setInterval>;

  constructor(
    base: string,
    version: string,
    request: (path: string, init: RequestInit) => Promise<Response>,
    started: (runId: string, agentId: string, prompt: string) => void,
  ) {
    this.base = base;
    this.version = version;
    this.request = request;
    this.started = started;
    this.checks = setInterval(() => this.checkAll(), checkEach);
  }

  end(): void {
    clearInterval(this.checks);
    for (const timer of this.timers) clearTimeout(timer);
    this.runs.clear();
  }

  async trigger(requestId: string, agentId: string, prompt: string, post: Post): Promise<void> {
    let runId = `failed-${requestId}`; // of a run that could not be made, for the app needs an id
    const run: Run = { agentId, post, started: false, end: null };
    try {
      const made = await this.send("", { agentId, prompt, sourceVersion: this.version });
      if (!made.ok) throw new Error(await refusal(made, `Failed to trigger agent: ${made.status}`));
      runId = String(((await made.json()) as { runId: unknown }).runId);
      this.runs.set(runId, run);
      this.started(runId, agentId, prompt);
      const begun = await this.send(`/${runId}/stream?startOnly=1`, {});
      if (!begun.ok) throw new Error(`Failed to start agent: ${begun.status}`);
    } catch (cause) {
      run.end = { status: "failed", error: cause instanceof Error ? cause.message : String(cause) };
    }
    run.started = true;
    post({ type: "second:agent:triggered", requestId, runId });
    if (run.end) this.tell(runId, run, run.end);
    else this.later(firstCheck, () => void this.check(runId));
  }

  /** An event of the workspace. */
  event(data: string): void {
    try {
      const { version, type, runId } = JSON.parse(data) as Record<string, unknown>;
      if (version !== 1 || typeof runId !== "string" || !this.runs.has(runId)) return;
      if (type === "run.completed") this.ended(runId, { status: "completed" });
      else if (type === "run.failed") void this.check(runId);
    } catch {
      // no event of ours
    }
  }

  private checkAll(): void {
    for (const runId of this.runs.keys()) void this.check(runId);
  }

  private async check(runId: string): Promise<void> {
    try {
      const answer = await this.request(`${this.base}/agent-runs/${runId}?summary=1`, { cache: "no-store" });
      if (!answer.ok) return; // it is checked again
      const { status, result } = (await answer.json()) as { status: string; result?: { error?: string } };
      if (status === "completed") this.ended(runId, { status });
      else if (status === "failed") this.ended(runId, { status, error: result?.error ?? "Agent run failed" });
    } catch {
      // it is checked again
    }
  }

  private ended(runId: string, end: NonNullable<Run["end"]>): void {
    const run = this.runs.get(runId);
    if (!run) return;
    if (run.started) this.tell(runId, run, end);
    else run.end = end;
  }

  private tell(runId: string, run: Run, end: NonNullable<Run["end"]>): void {
    this.runs.delete(runId);
    run.post({ type: "second:agent:update", agentId: run.agentId, runId, ...end });
  }

  private later(wait: number, act: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      act();
    }, wait);
    this.timers.add(timer);
  }

  private send(path: string, body: object): Promise<Response> {
    const headers = { "Content-Type": "application/json" };
    return this.request(`${this.base}/agent-runs${path}`, {
      method: "POST",
      headers,
      body: JSON.stringify(body),
    });
  }
}

async function refusal(answer: Response, otherwise: string): Promise<string> {
  const body = (await answer.json().catch(() => ({}))) as { error?: string };
  const approval = body.error === "agents_approval_required";
  return approval ? "Draft agent config needs approval before live agents can run." : otherwise;
}
