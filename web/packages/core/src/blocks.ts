/**
 * One block of an event stream. Parsers for EventSource's rules drop a block that has an id alone,
 * which is a bookmark.
 */
export interface Block {
  event: string;
  data: string;
  id: string;
}

/** The blocks of a gateway's event stream, as they come. A heartbeat is a block without anything. */
export async function* blocksOf(body: ReadableStream<Uint8Array>): AsyncGenerator<Block> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      text += decoder.decode(value, { stream: true });
      const blocks = text.split("\n\n");
      text = blocks.pop() ?? "";
      for (const block of blocks) yield blockOf(block);
    }
  } finally {
    void reader.cancel().catch(() => undefined);
  }
}

function blockOf(text: string): Block {
  const block: Block = { event: "", data: "", id: "" };
  for (const line of text.split("\n")) {
    const colon = line.indexOf(": ");
    const name = line.slice(0, colon);
    if (name === "event" || name === "data" || name === "id") block[name] = line.slice(colon + 2);
  }
  return block;
}
