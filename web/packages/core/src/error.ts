/** A failure: a code to act on, and a sentence for people. */
export class SecondError extends Error {
  readonly code: string;
  /** The same request may succeed later, unchanged. */
  readonly retryable: boolean;

  constructor(code: string, message: string, retryable = false) {
    super(message);
    this.name = "SecondError";
    this.code = code;
    this.retryable = retryable;
  }
}
