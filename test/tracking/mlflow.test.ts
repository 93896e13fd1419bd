import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { follow } from "../../src/tracking/follow.ts";
import { openTrackers } from "../../src/tracking/options.ts";
import type { Told } from "../../src/tracking/tracker.ts";
import { scratch } from "../support/students.ts";

/** As much of MLflow's REST API as a run needs. */
function mlflowServer() {
  const runs: {
    id: string;
    series: string;
    status: string;
    params: Record<string, string>;
    points: string[];
    files: string[];
  }[] = [];
  const asked: string[] = [];
  const seen = new Set<string>();
  let lost = 0;
  const server = createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const url = new URL(request.url!, "http://local");
    const path = url.pathname.replace("/api/2.0/", "");
    asked.push(`${path} ${request.headers.authorization ?? ""}`.trim());
    const body = request.method === "POST" ? JSON.parse(Buffer.concat(pieces).toString()) : {};
    const send = (value: object, status = 200) => response.writeHead(status).end(JSON.stringify(value));
    const info = (run: (typeof runs)[number]) => ({
      info: { run_id: run.id, artifact_uri: `mlflow-artifacts:/7/${run.id}/artifacts` },
    });
    const run = runs.find(({ id }) => id === body.run_id);
    if (path === "mlflow/experiments/get-by-name") return send({ message: "no such experiment" }, 404);
    if (path === "mlflow/experiments/create") return send({ experiment_id: "7" });
    if (path === "mlflow/runs/search")
      return send({ runs: runs.filter(({ series }) => body.filter.endsWith(`'${series}'`)).map(info) });
    if (path === "mlflow/runs/create") {
      const series = body.tags.find(({ key }: { key: string }) => key === "distill.series").value;
      runs.push({ id: `run${runs.length}`, series, status: "RUNNING", params: {}, points: [], files: [] });
      return send({ run: info(runs.at(-1)!) });
    }
    if (path === "mlflow/runs/update") {
      run!.status = body.status;
      return send({});
    }
    if (path === "mlflow/runs/log-batch") {
      for (const { key, value } of body.params ?? []) {
        if ((run!.params[key] ?? value) !== value)
          return send({ message: "Changing param values is not allowed" }, 400);
        run!.params[key] = value;
      }
      // as in its database, a point that comes again with the same time is the same point
      for (const { key, step, value, timestamp } of body.metrics ?? [])
        if (!seen.has(`${key} ${step} ${value} ${timestamp}`)) {
          seen.add(`${key} ${step} ${value} ${timestamp}`);
          run!.points.push(`${key} ${step} ${value}`);
        }
      if (lost > 0 && lost--) return response.destroy();
      return send({});
    }
    const [, id, name] = /^mlflow-artifacts\/artifacts\/7\/(\w+)\/artifacts\/(.+)$/.exec(path) ?? [];
    if (request.method === "PUT" && id) {
      runs.find((one) => one.id === id)!.files.push(`${name} ${Buffer.concat(pieces)}`);
      return send({});
    }
    return send({ message: "no such thing" }, 500);
  });
  const listen = (port = 0) =>
    new Promise<number>((resolve) =>
      server.listen(port, "127.0.0.1", () => resolve((server.address() as AddressInfo).port)),
    );
  const lose = (answers: number) => {
    lost = answers;
  };
  return { runs, asked, server, listen, lose };
}
const closed = (server: Server) =>
  new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });

const metrics = (steps: number) => Array.from({ length: steps }, (_, i) => ({ step: i + 1, loss: i }));

test("a run is told, continued by another process, and said to be finished with its files; nothing is told twice", async () => {
  const path = scratch();
  const { runs, asked, server, listen } = mlflowServer();
  const port = await listen();
  writeFileSync(join(path, "report.html"), "<p>");
  const told: Told = {
    ...{ name: "toy", path, params: { "trainer.type": "sft", "trainer.max_steps": "5" }, tags: {}, series: "s1" },
    ...{ metrics: metrics(3), results: {}, files: [join(path, "report.html"), join(path, "none")] },
  };
  const spec = [{ type: "mlflow" as const, tracking_uri: `http://127.0.0.1:${port}`, artifacts: true }];
  const open = () => openTrackers(spec, { path, env: { MLFLOW_TRACKING_TOKEN: "secret" } }, join(path, "memory"));
  const said: string[] = [];
  const options = { say: (sentence: string) => said.push(sentence), interval: 20, patience: 2000 };
  await follow(open(), () => told, options).end("stopped");
  assert.deepEqual(
    runs.map(({ status, points }) => [status, points.length]),
    [["KILLED", 3]],
  );
  told.metrics = metrics(5);
  told.params = { ...told.params, "trainer.max_steps": "9" };
  told.results = { "evaluation/student@1/pass_at_1": 0.5 };
  await follow(open(), () => told, options).end("finished");
  const points = [
    ...metrics(5).map(({ step, loss }) => `loss ${step} ${loss}`),
    "evaluation/student_at_1/pass_at_1 5 0.5",
  ];
  assert.deepEqual(runs, [
    {
      id: "run0",
      series: "s1",
      status: "FINISHED",
      params: { "trainer.type": "sft", "trainer.max_steps": "5" },
      points,
      files: ["report.html <p>"],
    },
  ]);
  assert.ok(asked.every((line) => line.endsWith(" Bearer secret")));
  // another training is another run
  told.series = "s2";
  await follow(open(), () => told, options).end("finished");
  assert.equal(runs.length, 2);
  assert.deepEqual(said, []);
  await closed(server);
});

test("a server that is down is said once, stops nothing, and has all of it when it is back", async () => {
  const path = scratch();
  const { runs, server, listen, lose } = mlflowServer();
  const port = await listen();
  await closed(server);
  const told: Told = {
    name: "toy",
    path,
    params: {},
    tags: {},
    series: "s",
    metrics: metrics(2),
    results: {},
    files: [],
  };
  const said: string[] = [];
  const spec = [{ type: "mlflow" as const, tracking_uri: `http://127.0.0.1:${port}`, artifacts: true }];
  const following = follow(openTrackers(spec, { path, env: {} }, join(path, "memory")), () => told, {
    say: (sentence) => said.push(sentence),
    interval: 10,
    patience: 2000,
  });
  while (said.length === 0) await sleep(5);
  told.metrics = metrics(2500);
  await sleep(100);
  assert.equal(said.length, 1);
  assert.match(
    said[0]!,
    /^mlflow at http:\/\/127\.0\.0\.1:\d+ cannot be told: ECONNREFUSED\. The run goes on; what it misses is kept, and told later\.$/,
  );
  await listen(port);
  lose(2); // answers of what did come
  while (runs.length === 0 || runs[0]!.points.length < 2500) await sleep(5);
  await following.end("finished");
  assert.deepEqual(
    runs[0]!.points,
    metrics(2500).map(({ step, loss }) => `loss ${step} ${loss}`),
  );
  assert.deepEqual([said.length, said[1]], [2, `mlflow at http://127.0.0.1:${port} is back, and has what it missed.`]);
  await closed(server);
});

test("a server that answers nonsense ends nothing, either", async () => {
  const path = scratch();
  const server = createServer((_, response) => response.writeHead(200).end("<html>"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const said: string[] = [];
  const spec = [{ type: "mlflow" as const, tracking_uri: `http://127.0.0.1:${port}`, artifacts: true }];
  const told: Told = { name: "toy", path, params: {}, tags: {}, series: "s", metrics: [], results: {}, files: [] };
  await follow(openTrackers(spec, { path, env: {} }, join(path, "memory")), () => told, {
    say: (s) => said.push(s),
  }).end("finished");
  assert.match(said.at(-1)!, /^mlflow at .* does not have all of the run: .*\. The same command tells it the rest\.$/);
  assert.equal(said.length, 2);
  await closed(server);
});
