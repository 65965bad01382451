// The live panel: frames in, text on the page; forms on the page, frames out.
// Text from elsewhere goes through textContent only. LiveSocket comes with redis_sessions.

const GOT_COOKIE = "The browser has got its cookie.";
const panel = document.querySelector("[data-live]");
const byId = (id) => document.getElementById(id);

function element(name, properties = {}, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

function tell(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}

function tellOrNone(id, text, none) {
  tell(id, text || none);
  byId(id).classList.toggle("none", !text);
}

const receive = {
  state(state) {
    tell("session-id", state.id ?? "");
    tellOrNone("live-name", state.name, "not set");
    tellOrNone("live-user", state.user, "not logged in");
    panel.querySelector("[data-do=login]").hidden = state.user !== "";
    panel.querySelector("[data-do=logout]").hidden = state.user === "";
    const input = byId("live-name-input");
    if (document.activeElement !== input) input.value = state.name;
    showBasket(state.basket);
    panel.querySelector("[data-message-time]").textContent = new Date().toLocaleTimeString();
    byId("live-error").hidden = true;
  },

  record({ record }) {
    byId("no-record").hidden = record !== null;
    byId("record").hidden = record === null;
    if (record === null) return;
    tell("record-key", record.key);
    tell("record-encoding", record.encoding);
    tell("record-memory", String(record.memory));
    tell("record-ttl", record.ttl);
    byId("record-fields").replaceChildren(...record.fields.map(recordRow));
  },

  chat({ name, text }) {
    const chat = byId("chat");
    chat.append(element("p", {}, element("b", { textContent: name }), " ", text));
    while (chat.childElementCount > 100) chat.firstElementChild.remove();
    chat.scrollTop = chat.scrollHeight;
  },

  error({ text }) {
    tell("live-error", text);
    byId("live-error").hidden = false;
  },
};

function showBasket(basket) {
  const list = byId("live-basket");
  const focused = list.contains(document.activeElement) ? document.activeElement.value : null;
  list.replaceChildren(...basketLines(basket));
  if (focused === null) return;
  const same = [...list.querySelectorAll("button")].find((button) => button.value === focused);
  (same ?? byId("live-item")).focus();
}

function basketLines(basket) {
  if (!basket.length) return [element("li", { className: "none", textContent: "Nothing in it" })];
  return basket.map(({ item, count }) => element("li", {},
    element("span", { className: "item", textContent: item }),
    element("span", { className: "count", textContent: ` × ${count}` }),
    element("button", { name: "item", value: item, className: "quiet", textContent: "Remove",
                        ariaLabel: `Remove one ${item}` })));
}

function recordRow({ name, kind, size, text }) {
  const shown = text === null
    ? element("span", { className: "none", textContent: "not shown" })
    : element("code", { textContent: text });
  return element("tr", {},
    element("th", { scope: "row" }, element("code", { textContent: name })),
    element("td", { textContent: kind }),
    labelled(element("td", { textContent: size }), "bytes"),
    element("td", {}, shown));
}

function labelled(cell, label) {
  cell.dataset.label = label;
  return cell;
}

function showStatus(status, text = status) {
  panel.dataset.status = status;
  tell("live-status", text);
  byId("live-again").hidden = status !== "closed";
}

const socket = new LiveSocket("/live/", { claimUrl: panel.dataset.claimUrl });

socket.onopen = () => showStatus("connected");
socket.onmessage = ({ data }) => {
  const frame = JSON.parse(data);
  receive[frame.type](frame);
};
socket.onclose = ({ code, reason }) => {
  tell("live-closed", `${code} ${reason}`.trim());
  if (byId("live-claimed").textContent === GOT_COOKIE) tell("live-claimed", "");
  if (socket.readyState === WebSocket.CLOSED) showStatus("closed");
  else showStatus("away", "away, coming back");
};
socket.onended = () => {  // a page must not go on showing what was logged out
  receive.state({ id: null, name: "", basket: [], user: "" });
  receive.record({ record: null });
  tell("live-claimed", "");
};
socket.onclaimed = () => tell("live-claimed", GOT_COOKIE);
socket.onclaimfailed = ({ detail: { status } }) => tell("live-claimed", status === 410
  ? "Another tab began a session; connected to it, do that again."  // LiveSocket connects anew
  : `No cookie: status ${status}.`);

byId("live-again").addEventListener("click", () => {
  showStatus("connecting");
  socket.reconnect();
});

panel.addEventListener("submit", (event) => {
  event.preventDefault();
  if (socket.readyState !== WebSocket.OPEN) {
    receive.error({ text: "Not connected: nothing was sent." });
    return;
  }
  tell("live-claimed", "");
  const form = event.target;
  const action = form.dataset.do;
  socket.send(JSON.stringify({
    do: action, ...Object.fromEntries(new FormData(form, event.submitter)),
  }));
  if (action !== "name") form.reset();
});

for (const part of panel.querySelectorAll("[data-needs-script]")) part.hidden = false;
document.querySelector("[data-request-time]").textContent =
  new Date(performance.timeOrigin).toLocaleTimeString();
