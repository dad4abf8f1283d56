// What is shown stands behind the # of the address, so that it can be linked to, and "back" works.

export function route(hash = location.hash) {
  const [where, query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [name, id = null] = where.split("/").map(decodeURIComponent);
  return { name: name || "overview", id, query: Object.fromEntries(new URLSearchParams(query)) };
}

export function link(where, query = {}) {
  const given = new URLSearchParams(Object.entries(query).filter(([, value]) => value));
  return given.size ? `#/${where}?${given}` : `#/${where}`;
}

export function go(where, query) {
  location.hash = link(where, query);
}
