// What a test sees of a LiveSocket: everything that happens, in the order in which it does.

const seen = [];
const types = ["open", "message", "close", "ended", "claimed", "claimfailed"];

function note(type, event) {
  const { data, code, reason, detail } = event;
  const state = live.readyState;
  seen.push({ type, at: performance.now(), state, data, code, reason, ...detail });
}

function start(url, options) {
  globalThis.live = new LiveSocket(url, options);
  for (const type of types) live.addEventListener(type, (event) => note(type, event));
}

function tell(action, values) {
  live.send(JSON.stringify({ do: action, ...values }));
}

const violations = [];
addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
Object.assign(globalThis, { seen, start, tell, violations });
