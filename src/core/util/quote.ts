/** One word of a POSIX shell, whatever is in it but NUL. */
export function quote(word: string): string {
  return quoteUnless(/^[\w@%+=:,./-]+$/, word);
}

/** The same, for words that are to be read only and stay as they are where they match `plain`. */
export function quoteUnless(plain: RegExp, word: string): string {
  return plain.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
