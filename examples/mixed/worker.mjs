// Visits the API for ever. The pause is set by the Nix shell it runs in.
const { API, WORKER_PAUSE_MS } = process.env;

for (;;) {
  const answer = await fetch(`${API}/visits`, { method: 'POST' }).then(
    async (response) => (await response.text()).trim(),
    (error) => error.message,
  );
  console.log(`visit ${answer}`);
  await new Promise((done) => setTimeout(done, Number(WORKER_PAUSE_MS)));
}
