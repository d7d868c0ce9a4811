import { same } from "./json.js";
import { under, type Layer } from "./layers.js";
import type { Subscription } from "./subscription.js";
import type { SecondError } from "./error.js";
import type { Doc, Observer, Snapshot, Status } from "./types.js";
import type { Write } from "./write.js";

type AnyDoc = Doc<Record<string, unknown>>;

interface Owner {
  follow(): void;
  leave(): void;
}

const mostPatched = 50; // changes for which the array that is shown is worth patching

const lingerTime = 1_000; // a view that is left and entered at once, as React does, is the same

/** What people see of a subscription: its exact copy under the own writes that the gateway has not told of. */
export class View {
  readonly subscription: Subscription;
  private readonly writes: () => readonly Write[];
  private readonly owner: Owner;
  private readonly observers = new Set<Observer<Snapshot<Record<string, unknown>>>>();
  private shown = new Map<string, AnyDoc>();
  private snapshot: Snapshot<Record<string, unknown>> = { data: [], status: "loading", error: null, pending: 0 };
  private layered = false; // own writes are in what is shown
  private offline = false;
  private waited = false;
  private failure: SecondError | null = null;
  private lingering: ReturnType<typeof setTimeout> | undefined;

  constructor(subscription: Subscription, writes: () => readonly Write[], owner: Owner) {
    this.subscription = subscription;
    this.writes = writes;
    this.owner = owner;
  }

  get watched(): boolean {
    return this.observers.size > 0;
  }

  getSnapshot = (): Snapshot<Record<string, unknown>> => this.snapshot;

  subscribe(observer: Observer<Snapshot<Record<string, unknown>>>): () => void {
    clearTimeout(this.lingering);
    const begins = this.observers.size === 0 && !this.subscription.whole && this.subscription.request === null;
    this.observers.add(observer);
    if (begins) this.owner.follow();
    observer.next(this.snapshot);
    return () => {
      if (!this.observers.delete(observer) || this.watched) return;
      this.lingering = setTimeout(() => this.owner.leave(), lingerTime);
    };
  }

  /** The id of a shown document that has all these values. */
  find(filter: Record<string, unknown>): string | undefined {
    const names = Object.keys(filter);
    return this.snapshot.data.find((doc) => names.every((name) => same(doc[name], filter[name])))?._id;
  }

  /** The connection is lost: what is shown is what was. */
  lost(error: SecondError | null): void {
    this.offline = true;
    this.failure = error;
    this.refresh(new Set());
  }

  /** Whoever waits for the first answer is told after a while that there is none. */
  tooLong(error: SecondError): void {
    this.waited = true;
    if (!this.subscription.whole) this.failure ??= error;
    this.refresh(new Set());
  }

  /** Shows what has changed: these documents, or any of them if changed is null. */
  refresh(changed: Set<string> | null): void {
    const s = this.subscription;
    if (s.current) {
      this.offline = false;
      this.failure = null;
    }
    const layers = this.layersById();
    const status = this.status();
    const error = status === "error" ? (s.error ?? this.failure) : null;
    const pending = this.pending();
    const moved = changed === null || changed.size > 0;
    if (!moved && status === this.snapshot.status && error === this.snapshot.error && pending === this.snapshot.pending) return;
    const data = moved ? this.data(layers, changed) : this.snapshot.data;
    if (data === this.snapshot.data && status === this.snapshot.status && error === this.snapshot.error &&
      pending === this.snapshot.pending) return;
    const failed = error !== null && this.snapshot.error !== error;
    this.snapshot = { data, status, error, pending };
    for (const observer of [...this.observers]) {
      observer.next(this.snapshot);
      if (failed) observer.error?.(error);
    }
  }

  private status(): Status {
    const s = this.subscription;
    if (s.error && !s.error.retryable) return "error";
    if (this.failure && !this.failure.retryable) return "error";
    if (s.whole) return s.current && !this.offline ? "live" : "stale";
    return this.waited && this.failure ? "error" : "loading";
  }

  private pending(): number {
    const s = this.subscription;
    return this.writes().filter((w) => w.layers.some((l) => s.follows(l.collection, l.docId))).length;
  }

  private layersById(): Map<string, Layer[]> {
    const byId = new Map<string, Layer[]>();
    for (const w of this.writes()) {
      for (const layer of w.layers) {
        if (!this.subscription.follows(layer.collection, layer.docId)) continue;
        const of = byId.get(layer.docId);
        if (of) of.push(layer);
        else byId.set(layer.docId, [layer]);
      }
    }
    return byId;
  }

  /** The documents in order; the array that is shown, if it would be equal. */
  private data(layers: Map<string, Layer[]>, changed: Set<string> | null): readonly AnyDoc[] {
    const plain = layers.size === 0 && !this.layered;
    this.layered = layers.size > 0;
    return (plain && changed && this.patched(changed)) || this.rebuilt(layers, changed);
  }

  /**
   * A few changes put into what is shown, which costs much less than looking at each of 100,000 documents; null where
   * that is not so simple. What is shown is the base alone, before and after.
   */
  private patched(changed: Set<string>): readonly AnyDoc[] | null {
    if (changed.size > mostPatched) return null;
    const { base } = this.subscription;
    const data = [...this.snapshot.data];
    const added = new Set<string>();
    const kept: AnyDoc[] = [];
    let moved = false;
    for (const id of changed) {
      const before = this.shown.get(id);
      const doc = this.document(id, base.docs.get(id), [], changed);
      if (before && doc) kept.push(doc);
      if (doc === before) continue;
      moved = true;
      if (doc) this.shown.set(id, doc);
      else this.shown.delete(id);
      if (!before) added.add(id);
      else if (doc) data[data.indexOf(before)] = doc;
      else data.splice(data.indexOf(before), 1);
    }
    const first = base.ids.slice(0, added.size);
    data.unshift(...first.map((id) => base.docs.get(id) as AnyDoc));
    // A document that was deleted and made again has moved to the front.
    const inOrder =
      first.every((id) => added.has(id)) && kept.every((doc) => base.ids[data.indexOf(doc)] === doc._id);
    if (!inOrder || data.length !== base.ids.length) return null;
    return moved ? data : this.snapshot.data;
  }

  private rebuilt(layers: Map<string, Layer[]>, changed: Set<string> | null): readonly AnyDoc[] {
    const { base } = this.subscription;
    const data: AnyDoc[] = [];
    const shown = new Map<string, AnyDoc>();
    const show = (id: string): void => {
      const doc = this.document(id, base.docs.get(id), layers.get(id) ?? [], changed);
      if (!doc) return;
      data.push(doc);
      shown.set(id, doc);
    };
    for (const id of [...layers.keys()].reverse()) if (!base.docs.has(id)) show(id); // made last comes first
    for (const id of base.ids) show(id);
    this.shown = shown;
    const before = this.snapshot.data;
    return before.length === data.length && data.every((doc, i) => doc === before[i]) ? before : data;
  }

  /** A document as it is shown: the object that is shown already, if it is the same. */
  private document(
    id: string, base: AnyDoc | undefined, layers: readonly Layer[], changed: Set<string> | null,
  ): AnyDoc | undefined {
    const before = this.shown.get(id);
    if (before && changed && !changed.has(id) && layers.length === 0) return before;
    const doc = under(base, layers);
    return doc && before && same(doc, before) ? before : doc;
  }
}
