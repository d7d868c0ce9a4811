/** An app's document as a host makes it: the script inside, so that nothing is loaded. */
export async function documentOf(script: string, collection: string): Promise<string> {
  const code = await (await fetch(script)).text();
  const bytes = new TextEncoder().encode(code);
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return (
    `<!doctype html><html data-collection="${collection}"><meta charset="utf-8"><body><div id="root"></div>` +
    `<script>addEventListener("error", (event) => { document.getElementById("root").outerHTML = "<pre>" + event.message })</` +
    `script><script type="module">import "data:text/javascript;base64,${btoa(binary)}"</` +
    "script></body></html>"
  );
}

export const sandbox = "allow-scripts allow-modals allow-forms allow-popups allow-popups-to-escape-sandbox";
