/** Watches files of people's projects. */
export interface FileWatcher {
  /**
   * Calls `changed` with the absolute paths of what was added, changed or removed, in bundles, not yet debounced, until
   * the answer is called. Paths that do not exist yet are seen once they do. `failed` is told what cannot be watched.
   */
  watch(
    request: { readonly paths: readonly string[]; readonly ignore: readonly string[] },
    changed: (paths: readonly string[]) => void,
    failed: (reason: string) => void,
  ): () => void;
}
