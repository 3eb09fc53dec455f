/** JSON with the names in order: the same text for the same value. */
export function text(value) {
  const ordered = (_, it) =>
    it !== null && typeof it === "object" && !Array.isArray(it) ? Object.fromEntries(Object.entries(it).sort(([a], [b]) => (a < b ? -1 : 1))) : it;
  return JSON.stringify(value, ordered);
}

export function same(found, expected, what) {
  const [a, b] = [text(found), text(expected)];
  if (a !== b) {
    throw new Error(`${what}:\n found    ${a}\n expected ${b}`);
  }
}
