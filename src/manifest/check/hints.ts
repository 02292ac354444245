/** What to say about words that are none here, but that somebody writes with good reason. */
export type Hints = Readonly<Record<string, string>>;

export function meant(words: Hints): Hints {
  return Object.fromEntries(Object.entries(words).map(([word, here]) => [word, `did you mean \`${here}\`?`]));
}

export function called(words: Hints): Hints {
  return Object.fromEntries(
    Object.entries(words).map(([word, here]) => [word, `Setpoint calls this \`${here}\``]),
  );
}

export function unsupported(words: Hints): Hints {
  return Object.fromEntries(
    Object.entries(words).map(([word, instead]) => [word, `this is not supported: ${instead}`]),
  );
}
