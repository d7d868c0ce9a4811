import { LiveCollection } from "./live.js";

const url = new URL("/api/workspaces/demo/apps/demo/data/socket", location.href);
url.protocol = url.protocol.replace("http", "ws");

for (const section of document.querySelectorAll("section")) pane(section);

// pane shows one live collection of its own: the two of them share nothing but the database.
function pane(section) {
  section.append(document.getElementById("pane").content.cloneNode(true));
  const [status, form, error, list, empty] = ["output", "form", ".error", "ul", ".empty"].map((s) => section.querySelector(s));
  const rows = new Map();
  const todos = new LiveCollection(url, "todos", show, (state, text) => {
    section.dataset.state = state;
    status.textContent = text;
  });
  const tell = (write) => write.then(() => (error.textContent = ""), (e) => (error.textContent = e.message));

  form.onsubmit = (event) => {
    event.preventDefault();
    tell(todos.insert({ text: form.elements.text.value, done: false }));
    form.reset();
  };

  function show(touched) {
    for (const [id, row] of rows) if (!todos.docs.has(id)) { row.element.remove(); rows.delete(id); }
    [...todos.docs.values()].sort(newestFirst).forEach((doc, i) => {
      if (!rows.has(doc._id)) rows.set(doc._id, makeRow(doc._id));
      const { element, fill } = rows.get(doc._id);
      fill(doc);
      if (touched.has(doc._id)) flash(element);
      if (list.children[i] !== element) list.insertBefore(element, list.children[i] ?? null);
    });
    empty.hidden = todos.docs.size > 0;
  }

  function makeRow(id) {
    const element = document.getElementById("row").content.cloneNode(true).querySelector("li");
    const [done, text, remove] = element.children;
    let typing = false, saving = 0; // what is being typed here is not overwritten
    done.onchange = () => tell(todos.update(id, { done: done.checked }));
    remove.onclick = () => tell(todos.delete(id));
    text.oninput = () => (typing = true);
    text.onblur = () => finish();
    text.onchange = async () => {
      const typed = text.value;
      saving++;
      await tell(todos.update(id, { text: typed }));
      saving--;
      if (text.value === typed) finish();
    };

    function finish() {
      if (saving) return;
      typing = false;
      if (todos.docs.has(id)) fill(todos.docs.get(id));
    }

    function fill(doc) {
      done.checked = doc.done === true;
      element.classList.toggle("done", done.checked);
      // A field's value is never markup, whatever a document holds.
      text.defaultValue = typeof doc.text === "string" ? doc.text : JSON.stringify(doc.text) ?? "";
      if (!typing) text.value = text.defaultValue;
    }
    return { element, fill };
  }
}

const newestFirst = (a, b) => (a._createdAt === b._createdAt ? (a._id < b._id ? -1 : 1) : a._createdAt < b._createdAt ? 1 : -1);

function flash(element) {
  element.classList.remove("new");
  void element.offsetWidth; // begins the animation anew
  element.classList.add("new");
}
