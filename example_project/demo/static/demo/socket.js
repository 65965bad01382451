// A WebSocket that comes back: messages wait while it is away, and tries get rarer.

const FIRST_WAIT = 500;
const LONGEST_WAIT = 15000;

export class Socket {
  #path; #onMessage; #onStatus; #socket; #timer;
  #waiting = [];
  #tries = 0;

  constructor(path, onMessage, onStatus) {
    this.#path = path;
    this.#onMessage = onMessage;
    this.#onStatus = onStatus;
    addEventListener("online", () => this.open());
  }

  open(query = "") {
    clearTimeout(this.#timer);
    this.#drop();
    const url = new URL(this.#path + query, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = this.#socket = new WebSocket(url);
    this.#onStatus("connecting");
    socket.onopen = () => this.#opened();
    socket.onclose = () => this.#closed(socket);
    socket.onmessage = (event) => this.#received(JSON.parse(event.data));
  }

  send(message) {
    this.#waiting.push(JSON.stringify(message));
    if (this.#socket?.readyState === WebSocket.OPEN) this.#flush();
  }

  #opened() {
    this.#onStatus("connected");
    this.#flush();
  }

  #received(message) {
    this.#tries = 0;  // not before: a server in trouble accepts, and closes at once
    this.#onMessage(message);
  }

  #closed(socket) {
    if (socket !== this.#socket) return;
    const ceiling = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#tries++);
    const wait = ceiling * (0.5 + Math.random() / 2);
    this.#onStatus(`away, next try in ${Math.ceil(wait / 1000)} s`);
    this.#timer = setTimeout(() => this.open(), wait);
  }

  #flush() {
    for (const text of this.#waiting.splice(0)) this.#socket.send(text);
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onmessage = null;
    socket.close();
  }
}
