/* LiveSocket: a WebSocket that comes back, and that knows what the session's close codes mean.

     <script src="{% static 'redis_sessions/live.js' %}"></script>       or  import ".../live.js";
     const socket = new LiveSocket("/ws/", {claimUrl: "/sessions/claim/", loginUrl: "/login/"});
     socket.onmessage = (event) => show(event.data);

   Either way it is globalThis.LiveSocket. The options, none of which is needed:
     claimUrl            where claims are posted; without it they are messages like any other
     loginUrl            where to go when the session is over
     codes               {NAME: number}, as in REDIS_SESSIONS["CLOSE_CODES"]
     minDelay, maxDelay  milliseconds between two tries to connect: 1000 and 30000
     protocols, binaryType    as a WebSocket's
     onopen, onmessage, ...   a listener for each event

   The events, to listen to with addEventListener() or on...:
     open         it is connected, for the first time or again
     message      as a WebSocket's
     close        as a WebSocket's; then readyState is 0 if it comes back, and 3 if not
     ended        the session is over: detail is {code, reason}. What follows is a visit to
                  loginUrl, unless a listener calls preventDefault().
     claimed      the page has the cookie of a session that began or was rotated over the socket
     claimfailed  it has not: detail is {status}, which is 0 where nobody answered. After 410 the
                  browser has another session, or the claim came late: what follows is a new
                  connection, as after ENDED, unless a listener calls preventDefault().

   A connection that is lost comes back: at once where the close code says so, else after random,
   growing delays. It does not after close(), after `ended`, and after a code of the consumer's own
   (1000, or one that is not in `codes`); reconnect() brings it back from there too.

   send() throws unless the socket is open: nothing is kept for later, and nothing is lost unseen.
   What every new connection has to be told belongs into a listener to `open`.

   A claim is a message {"session_claim": "..."} and nothing else. */
{
  const CODES = {
    ENDED: 4400, LOGGED_OUT: 4401, EXPIRED: 4402, REVOKED: 4403, REPLACED: 4404,
    LOGGED_IN: 4405, RENEWED: 4406, UNAVAILABLE: 4503,
  };
  const AT_ONCE = new Set(["ENDED", "LOGGED_IN", "RENEWED"]);
  const OVER = new Set(["LOGGED_OUT", "EXPIRED", "REVOKED", "REPLACED"]);
  // Going away, no code, connection lost, error, restart, a gateway's trouble.
  const PASSING = new Set([1001, 1005, 1006, 1011, 1012, 1013, 1014]);
  const REFUSED = 410; // the claim view's answer to a claim that this browser cannot use
  const HASTY = 1000; // ms: who is told to connect at once, twice within this, must not
  const STABLE = 5000; // ms: when a connection has lasted this long, delays begin anew
  const TYPES = ["open", "message", "close", "ended", "claimed", "claimfailed"];

  /** Return the claim that a message is, or null. */
  function claimIn(data) {
    if (typeof data !== "string" || !data.includes('"session_claim"')) return null;
    try {
      const { session_claim: claim, ...others } = JSON.parse(data);
      return typeof claim === "string" && Object.keys(others).length === 0 ? claim : null;
    } catch {
      return null; // not JSON: a message of another kind
    }
  }

  globalThis.LiveSocket = class LiveSocket extends EventTarget {
    #options;
    #codes;
    #names; // what each close code is called
    #socket = null; // null while it waits, and when it is over
    #waiting = null; // aborted when the wait ends
    #isOver = false;
    #since = 0; // when the last try to connect began
    #tries = 0; // delays since the last connection that was stable
    #wasSent = false; // the last close code said to connect at once

    constructor(url, options = {}) {
      super();
      this.#options = { minDelay: 1000, maxDelay: 30000, ...options };
      this.#codes = { ...CODES, ...options.codes };
      this.#names = new Map(Object.entries(this.#codes).map(([name, code]) => [code, name]));
      this.url = new URL(url, document.baseURI);
      this.url.protocol = this.url.protocol.replace("http", "ws");
      for (const type of TYPES) {
        this[`on${type}`] = options[`on${type}`] ?? null;
        this.addEventListener(type, (event) => this[`on${type}`]?.(event));
      }
      this.#connect();
    }

    /** 0 while it connects or waits to, 1 while open, 2 while it closes, 3 when it is over. */
    get readyState() {
      return this.#socket?.readyState ?? (this.#isOver ? WebSocket.CLOSED : WebSocket.CONNECTING);
    }

    /** Send a message. Throws InvalidStateError unless the socket is open. */
    send(data) {
      if (this.readyState !== WebSocket.OPEN) {
        throw new DOMException("The socket is not open.", "InvalidStateError");
      }
      this.#socket.send(data);
    }

    /** Close for good. `close` follows. */
    close(code = 1000, reason = "") {
      this.#socket?.close(code, reason);
      this.#isOver = true;
      if (!this.#waiting) return;
      this.#stopWaiting();
      this.dispatchEvent(new CloseEvent("close", { code, reason, wasClean: true }));
    }

    /** Connect now, with the cookies of now, whatever the state is. `open` follows. */
    reconnect() {
      const former = this.#socket;
      this.#isOver = false;
      this.#connect();
      former?.close();
    }

    #connect() {
      this.#stopWaiting();
      this.#since = performance.now();
      const socket = new WebSocket(this.url, this.#options.protocols ?? []);
      socket.binaryType = this.#options.binaryType ?? "blob";
      const on = (type, listener) => socket.addEventListener(type, (event) => {
        if (socket === this.#socket) listener(event); // else reconnect() has put another there
      });
      on("open", () => this.dispatchEvent(new Event("open")));
      on("message", (event) => this.#received(event));
      on("close", (event) => this.#closed(event));
      this.#socket = socket;
    }

    #received({ data, origin }) {
      const claim = this.#options.claimUrl ? claimIn(data) : null;
      if (claim !== null) this.#post(claim);
      else this.dispatchEvent(new MessageEvent("message", { data, origin }));
    }

    async #post(claim) {
      const socket = this.#socket;
      let response = { ok: false, status: 0 };
      try {
        response = await fetch(this.#options.claimUrl, {
          method: "POST",
          body: new URLSearchParams({ claim }),
          credentials: "same-origin",
          redirect: "error", // a login page's 200 is not the answer
          keepalive: true, // the message that came next may have left the page
        });
      } catch {
        // Nobody answered: status 0 tells.
      }
      const { ok, status } = response;
      const follows = this.#tell(ok ? "claimed" : "claimfailed", { status });
      if (follows && status === REFUSED && socket === this.#socket) this.#rejoin();
    }

    /** Leave a session that the browser will never have, for the one that it has. */
    #rejoin() {
      const former = this.#socket;
      if (this.readyState !== WebSocket.OPEN) return;
      this.#closed({ code: this.#codes.ENDED, reason: "claim refused", wasClean: true });
      former.close();
    }

    #closed({ code, reason, wasClean }) {
      const lasted = performance.now() - this.#since;
      const name = this.#isOver ? null : this.#names.get(code);
      const atOnce = AT_ONCE.has(name) && !(this.#wasSent && lasted < HASTY);
      const returns = AT_ONCE.has(name) || name === "UNAVAILABLE" || PASSING.has(code);
      this.#socket = null;
      this.#isOver ||= !returns;
      this.#wasSent = AT_ONCE.has(name);
      if (lasted > STABLE) this.#tries = 0;
      if (!this.#isOver) this.#wait(atOnce ? 0 : this.#delay());
      this.dispatchEvent(new CloseEvent("close", { code, reason, wasClean }));
      if (OVER.has(name) && this.#tell("ended", { code, reason }) && this.#options.loginUrl) {
        location.assign(this.#options.loginUrl);
      }
    }

    #delay() {
      const { minDelay, maxDelay } = this.#options;
      const longest = Math.min(maxDelay, minDelay * 2 ** this.#tries++);
      return longest * (0.5 + Math.random() / 2);
    }

    /** Connect after a delay in ms, or before, when the network or the user is back. */
    #wait(delay) {
      this.#waiting = new AbortController();
      const { signal } = this.#waiting;
      const connect = () => this.#connect();
      const timer = setTimeout(connect, delay);
      signal.addEventListener("abort", () => clearTimeout(timer));
      addEventListener("online", connect, { signal });
      document.addEventListener("visibilitychange", () => document.hidden || connect(), { signal });
    }

    #stopWaiting() {
      this.#waiting?.abort();
      this.#waiting = null;
    }

    /** Dispatch an event with a detail; false where a listener prevented what follows. */
    #tell(type, detail) {
      return this.dispatchEvent(new CustomEvent(type, { detail, cancelable: true }));
    }
  };
}
