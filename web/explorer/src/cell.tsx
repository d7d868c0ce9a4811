import { useRef, useState, type ReactNode } from "react";

interface Props {
  name: string;
  value: unknown;
  /** Takes the new value; without one the edit is over. */
  onDone(value?: { value: unknown }): void;
}

/** A cell that is edited: a text as it is, anything else as JSON. Enter saves, Escape does not. */
export function CellEditor({ name, value, onDone }: Props): ReactNode {
  const isText = typeof value === "string";
  const before = isText ? value : value === undefined ? "" : JSON.stringify(value);
  const [text, setText] = useState(before);
  const typed = typedIn(text, isText, value === undefined);
  const over = useRef(false); // an input that is taken away is left, too
  const end = (given?: { value: unknown }): void => {
    if (over.current) return;
    over.current = true;
    onDone(given);
  };
  const save = (): void => end(text === before || !typed ? undefined : typed);
  return (
    <input
      className="cell"
      aria-label={`${name}, edited`}
      aria-invalid={!typed}
      title={typed ? "" : "This is no JSON: a text needs quotes here."}
      autoFocus
      value={text}
      onChange={(e) => setText(e.target.value)}
      onBlur={save}
      onClick={(e) => e.stopPropagation()}
      onKeyDown={(e) => {
        e.stopPropagation();
        if (e.key === "Enter" && typed) save();
        if (e.key === "Escape") end();
      }}
    />
  );
}

/** The value of what was typed; null where it is none. */
function typedIn(text: string, isText: boolean, isNew: boolean): { value: unknown } | null {
  if (isText) return { value: text };
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return isNew && text ? { value: text } : null;
  }
}
