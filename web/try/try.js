import { LiveCollection } from "./live.js";

const url = new URL("/api/workspaces/demo/apps/demo/data/socket", location.href);
url.protocol = url.protocol.replace("http", "ws");

for (const section of document.querySelectorAll("section")) {
  section.append(document.getElementById("pane").content.cloneNode(true));
  const [status, form, error, list] = ["output", "form", ".error", "ul"].map((s) => section.querySelector(s));
  const tell = (promise) => promise.then(() => (error.textContent = ""), (e) => (error.textContent = e.message));
  const todos = new LiveCollection(url, "todos", (docId) => show(docId), (text) => (status.textContent = text));

  form.onsubmit = (event) => {
    event.preventDefault();
    tell(todos.insert({ text: form.elements.text.value, done: false }));
    form.reset();
  };

  const rows = new Map();
  function show(changed) {
    for (const [id, row] of rows) if (!todos.docs.has(id)) { row.remove(); rows.delete(id); }
    const docs = [...todos.docs.values()].sort((a, b) => (a._createdAt < b._createdAt ? 1 : -1));
    docs.forEach((doc, i) => {
      const row = rows.get(doc._id) ?? newRow(doc._id);
      fill(row, doc);
      if (doc._id === changed) { row.classList.remove("new"); void row.offsetWidth; row.classList.add("new"); }
      if (list.children[i] !== row) list.insertBefore(row, list.children[i] ?? null);
    });
  }

  function newRow(id) {
    const row = document.getElementById("row").content.cloneNode(true).querySelector("li");
    const [done, text, remove] = row.children;
    done.onchange = () => tell(todos.update(id, { done: done.checked }));
    text.onchange = () => tell(todos.update(id, { text: text.value }));
    remove.onclick = () => tell(todos.delete(id));
    rows.set(id, row);
    return row;
  }

  function fill(row, doc) {
    const [done, text] = row.children;
    done.checked = doc.done === true;
    row.classList.toggle("done", done.checked);
    const shown = typeof doc.text === "string" ? doc.text : JSON.stringify(doc.text) ?? "";
    if (document.activeElement !== text && text.value !== shown) text.value = shown;
  }
}
