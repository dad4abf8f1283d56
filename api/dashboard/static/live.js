// The overview, as the server sends it: one connection for the page, closed while the page is hidden.

const EVENTS = "/api/v1/overview/events";
const PATIENCE_MS = 3000;

export function follow({ overview, state }) {
  // Calls `overview` with each overview, and `state` with "live" or "lost". Returns a function that ends it.
  let source = null;
  let timer;

  function connect() {
    source = new EventSource(EVENTS);
    source.addEventListener("overview", (event) => {
      state("live");
      overview(JSON.parse(event.data));
    });
    source.addEventListener("error", () => {
      state("lost");
      // The browser tries again by itself, but not after an answer that is no stream.
      if (source?.readyState === EventSource.CLOSED) timer = setTimeout(again, PATIENCE_MS);
    });
  }

  function disconnect() {
    clearTimeout(timer);
    source?.close();
    source = null;
  }

  function again() {
    disconnect();
    if (!document.hidden) connect();
  }

  document.addEventListener("visibilitychange", again);
  again();
  return () => {
    document.removeEventListener("visibilitychange", again);
    disconnect();
  };
}
