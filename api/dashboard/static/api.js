// Requests to /api/v1. The browser adds the cookie by itself; no script ever sees what is in it.

export class Problem extends Error {
  // An answer that is no success, as the problem document (RFC 9457) says.
  constructor(status, { title, detail, errors } = {}) {
    super(detail || title || "no answer");
    this.status = status;
    this.errors = errors ?? [];
  }
}

export async function ask(path, { method = "GET", body, signal } = {}) {
  let response;
  try {
    response = await fetch(path, {
      method,
      signal,
      headers: { Accept: "application/json", ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { detail: "tidings does not answer; is it running?" });
  }
  if (response.status === 204) return null;
  if (response.ok) return response.json();
  const answer = await response.json().catch(() => ({ title: response.statusText }));
  if (response.status === 401 && path !== "/dashboard/session") dispatchEvent(new Event("logged-out"));
  throw new Problem(response.status, answer);
}

export function path(base, parameters) {
  // The path with those parameters that have a value.
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value));
  return query.size ? `${base}?${query}` : base;
}
