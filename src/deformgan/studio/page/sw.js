// Keeps the files of a static site, so that it works offline. VERSION and FILES are written before
// this text when the site is exported.
addEventListener("install", (event) => {
  const load = async () => {
    const cache = await caches.open(VERSION);
    await cache.addAll(FILES.map((name) => new Request(name, { cache: "reload" })));
    await skipWaiting();
  };
  event.waitUntil(load());
});

addEventListener("activate", (event) => {
  const clean = async () => {
    for (const name of await caches.keys()) if (name !== VERSION) await caches.delete(name);
    await clients.claim();
  };
  event.waitUntil(clean());
});

addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || new URL(request.url).origin !== location.origin) return;
  const answer = async () => {
    const cache = await caches.open(VERSION), kept = await cache.match(request, { ignoreSearch: true });
    if (kept) return kept;
    const found = await fetch(request);
    if (found.ok && found.status === 200) await cache.put(request, found.clone());
    return found;
  };
  event.respondWith(answer());
});
