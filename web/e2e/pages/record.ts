/** The ids of all rows, in order, for each frame that showed others than the one before. */
export const frames: string[][] = [];

function sample(): void {
  const ids = Array.from(document.querySelectorAll("li"), (row) => row.id);
  const last = frames[frames.length - 1];
  if (!last || last.length !== ids.length || ids.some((id, i) => id !== last[i])) frames.push(ids);
  requestAnimationFrame(sample);
}

/** Looks at the rows of the document in every frame from here on. */
export function record(): void {
  requestAnimationFrame(sample);
}
