const service = JSON.parse(document.querySelector("main").dataset.service);
const form = document.getElementById("form");
const error = document.getElementById("error");
let running = null;

function element(kind, properties = {}, ...children) {
  const made = Object.assign(document.createElement(kind), properties);
  made.append(...children);
  return made;
}

function addField(field, name, id) {
  Object.assign(field, { id, required: true });
  const label = element("label", { htmlFor: id, textContent: name });
  document.getElementById("fields").append(label, field);
  return field;
}

// Enter sends the form, Shift+Enter begins a new line.
function sendOnEnter(field) {
  field.setAttribute("aria-describedby", "hint");
  field.addEventListener("keydown", event => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  return field;
}

function headers() {
  const sent = { "Content-Type": "application/json" };
  if (token) sent.Authorization = `Bearer ${token.value.trim()}`;
  return sent;
}

async function failure(response) {
  if (response.status === 401) return "The service does not accept this token.";
  try {
    return (await response.json()).error.message;
  } catch {
    return `The service answered with status ${response.status}.`;
  }
}
