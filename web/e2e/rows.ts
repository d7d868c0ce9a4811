import { expect } from "vitest";
import type { Page } from "playwright-core";

/** The texts of all rows, sorted. */
export async function rows(page: Page): Promise<string[]> {
  return (await page.locator("li").allTextContents()).sort();
}

/** Waits until the page says that it is live and that the gateway has told of all its writes. */
export async function settled(page: Page): Promise<void> {
  await page.getByText("live, 0 pending", { exact: true }).waitFor();
}

/** No row was shown twice in one frame, and none came back after it had gone. */
export function expectNoFlicker(frames: string[][]): void {
  const gone = new Set<string>();
  let before: string[] = [];
  for (const ids of frames) {
    expect(new Set(ids).size, "a row is shown twice").toBe(ids.length);
    for (const id of before) if (!ids.includes(id)) gone.add(id);
    expect(
      ids.filter((id) => gone.has(id)),
      "a row was gone and is back",
    ).toEqual([]);
    before = ids;
  }
}
