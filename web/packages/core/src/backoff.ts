/** Waits that grow up to a bound, each by chance: clients that left together do not come back together. */
export class Backoff {
  private tries = 0;
  private readonly first: number;
  private readonly longest: number;

  constructor(first = 200, longest = 10_000) {
    this.first = first;
    this.longest = longest;
  }

  /** The next wait, in milliseconds. */
  next(): number {
    const wait = Math.min(this.longest, this.first * 2 ** this.tries++);
    return wait * (0.5 + Math.random() / 2);
  }

  reset(): void {
    this.tries = 0;
  }
}
