// The line between the browsers and the console, which can be cut: connections that stand end, and none comes about, as when a
// network goes away. A browser that is told to be offline keeps the streams that it has.
import { connect, createServer } from "node:net";

export async function layLine(port) {
  const standing = new Set();
  let cut = false;
  const listener = createServer((near) => {
    if (cut) {
      near.destroy();
      return;
    }
    const far = connect(port, "127.0.0.1");
    for (const [end, other] of [[near, far], [far, near]]) {
      standing.add(end);
      end.on("error", () => end.destroy());
      end.on("close", () => {
        standing.delete(end);
        other.destroy();
      });
      end.pipe(other);
    }
  });
  await new Promise((listens) => { listener.listen(0, "127.0.0.1", listens); });
  return {
    port: listener.address().port,
    cut(now) {
      cut = now;
      if (now) standing.forEach((end) => end.destroy());
    },
  };
}
