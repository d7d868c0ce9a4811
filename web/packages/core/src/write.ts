import type { Layer } from "./layers.js";
import type { SecondError } from "./error.js";
import type { Message, Request } from "./wire.js";

/** One of the own writes, until the gateway has told of its changes. */
export interface Write {
  request: Request & { mutationId: string };
  layers: Layer[];
  /** The request's id on this connection; null while it has to be sent. */
  sent: string | null;
  /** The gateway has said that it is durable. */
  answered: boolean;
  /** It was answered on an earlier connection: the first bookmark that is current has its changes. */
  before: boolean;
  resolve(m: Message): void;
  reject(error: SecondError): void;
}
