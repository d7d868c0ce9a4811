// Today's SDK, written from the description of its messages and of what its hooks do with each.
import { useCallback, useEffect, useRef, useState } from "react";

type Doc = Record<string, unknown> & { _id: string };
type Message = Record<string, unknown>;

function hear(heard: (m: Message) => void): () => void {
  const receive = (event: MessageEvent): void => {
    if (event.data?.source === "second-platform") heard(event.data as Message);
  };
  window.addEventListener("message", receive);
  return () => window.removeEventListener("message", receive);
}

let counter = 0;

function ask(type: string, fields: Message): Promise<Message> {
  return new Promise((resolve) => {
    const requestId = crypto.randomUUID ? crypto.randomUUID() : `${++counter}`;
    const stop = hear((m) => {
      if (m["type"] !== `${type}-response` || m["requestId"] !== requestId) return;
      stop();
      resolve(m);
    });
    window.parent.postMessage({ source: "second-app", type, requestId, ...fields }, "*");
  });
}

const put = (rows: Doc[], doc: Doc): Doc[] =>
  rows.some((row) => row._id === doc._id)
    ? rows.map((row) => (row._id === doc._id ? doc : row))
    : [doc, ...rows];

export function useCollection(collection: string): object {
  const [data, setData] = useState<Doc[]>([]);
  const [loading, setLoading] = useState(true);
  useEffect(() => {
    setLoading(true);
    void ask("second:data:list", { collection }).then((m) => {
      setData((m["docs"] as Doc[]) ?? []);
      setLoading(false);
    });
    return hear((m) => {
      if (m["type"] !== "second:data:change") return;
      const any = m["operation"] === "delete" && m["collection"] === "__any__";
      if (m["collection"] !== collection && !any) return;
      const doc = m["doc"] as Doc;
      if (m["operation"] === "insert") setData((rows) => put(rows, doc));
      if (m["operation"] === "update")
        setData((rows) => rows.map((row) => (row._id === doc._id ? doc : row)));
      if (m["operation"] === "delete") setData((rows) => rows.filter((row) => row._id !== m["docId"]));
    });
  }, [collection]);
  const insert = useCallback(async (fields: Message) => {
    const { doc } = await ask("second:data:insert", { collection, data: fields });
    if (doc) setData((rows) => put(rows, doc as Doc));
    return doc;
  }, []);
  const update = useCallback(async (docId: string, fields: Message) => {
    const { doc } = await ask("second:data:update", { collection, docId, data: fields });
    if (doc) setData((rows) => rows.map((row) => (row._id === docId ? (doc as Doc) : row)));
    return doc;
  }, []);
  const remove = useCallback(async (docId: string) => {
    await ask("second:data:delete", { collection, docId });
    setData((rows) => rows.filter((row) => row._id !== docId));
  }, []);
  return { data, loading, insert, update, remove };
}

export function useDoc(collection: string, docId: string | null): object {
  const [data, setData] = useState<Doc | null>(null);
  const [loading, setLoading] = useState(true);
  useEffect(() => {
    if (!docId) return setLoading(false);
    void ask("second:data:doc", { collection, docId }).then((m) => {
      setData((m["doc"] as Doc) ?? null);
      setLoading(false);
    });
    return hear((m) => {
      if (m["type"] !== "second:data:change" || m["collection"] !== collection) return;
      const doc = m["doc"] as Doc;
      if (m["operation"] === "update" && doc._id === docId) setData(doc);
      if (m["operation"] === "delete" && m["docId"] === docId) setData(null);
    });
  }, [collection, docId]);
  return { data, loading };
}

export function useAgent(agentId: string): object {
  const [status, setStatus] = useState("idle");
  const [error, setError] = useState<string | null>(null);
  const [runId, setRunId] = useState<string | null>(null);
  const current = useRef<string | null>(null);
  useEffect(
    () =>
      hear((m) => {
        if (m["type"] !== "second:agent:update" || m["agentId"] !== agentId || m["runId"] !== current.current)
          return;
        setStatus(String(m["status"]));
        setError((m["error"] as string) ?? null);
      }),
    [agentId],
  );
  const trigger = useCallback(
    (prompt: string) =>
      new Promise<string>((resolve) => {
        const requestId = crypto.randomUUID();
        const stop = hear((m) => {
          if (m["type"] !== "second:agent:triggered" || m["requestId"] !== requestId) return;
          stop();
          current.current = String(m["runId"]);
          setRunId(current.current);
          setStatus("running");
          setError(null);
          resolve(current.current);
        });
        window.parent.postMessage(
          { source: "second-app", type: "second:agent:trigger", requestId, agentId, prompt },
          "*",
        );
      }),
    [agentId],
  );
  return { trigger, status, error, runId, isRunning: status === "running" };
}

export function useAgentList(): object {
  const [agents, setAgents] = useState<unknown[]>([]);
  useEffect(() => {
    window.parent.postMessage({ source: "second-app", type: "second:agents:list-request" }, "*");
    return hear((m) => {
      if (m["type"] === "second:agents:list") setAgents(m["agents"] as unknown[]);
    });
  }, []);
  return { agents };
}
