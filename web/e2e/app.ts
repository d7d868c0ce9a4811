import type { Frame, Page } from "playwright-core";
import { until } from "./world.js";

/** What matters is that it is there: a frame that is not in view may have no layout. */
export const attached = { state: "attached" } as const;

/** The app in a host's page, once it has loaded what it shows. */
export async function appIn(page: Page): Promise<Frame> {
  const element = await page.locator("iframe").elementHandle();
  const frame = await element?.contentFrame();
  if (!frame) throw new Error("the page has no frame");
  await frame.locator("output").getByText("loaded").waitFor(attached);
  return frame;
}

/** The names that the app shows, from the top. */
export const names = (frame: Frame): Promise<string[]> => frame.locator("li").allTextContents();

export async function shows(frame: Frame, want: string[]): Promise<void> {
  let got: string[] = [];
  await until(
    async () => {
      got = await names(frame);
      return JSON.stringify(got) === JSON.stringify(want);
    },
    `the app shows ${JSON.stringify(want)}`,
  ).catch((cause) => {
    throw new Error(`${String(cause)}; it shows ${JSON.stringify(got)}`);
  });
}
