// Makes a call in every way that Node has, and prints for each what came of it: a status, or the fault.
import http from "node:http";
import https from "node:https";
import { Worker } from "node:worker_threads";

const [base] = process.argv.slice(2);
const url = (name) => `${base}/v1/models/${name}`;

const get = (name, options = {}) =>
  new Promise((done) => {
    const module = base.startsWith("https:") ? https : http;
    const request = module.get(url(name), options, (response) => {
      response.resume();
      response.once("end", () => done(response.statusCode));
    });
    request.once("error", (error) => done(error.code ?? error.message));
  });

const fetched = (name) =>
  fetch(url(name)).then(
    async (response) => (await response.text(), response.status),
    (error) => error.cause?.code ?? error.message,
  );

const inWorker = (name) =>
  new Promise((done) => {
    const code = `
      const { parentPort, workerData } = require("node:worker_threads");
      fetch(workerData).then(async (response) => (await response.text(), parentPort.postMessage(response.status)),
        (error) => parentPort.postMessage(error.cause?.code ?? error.message));`;
    new Worker(code, { eval: true, workerData: url(name) }).once("message", done);
  });

const Agent = base.startsWith("https:") ? https.Agent : http.Agent;
const agent = new Agent({ keepAlive: true });
console.log(
  JSON.stringify({
    fetch: await fetched("fetch"),
    module: await get("module"),
    own_agent: await get("own_agent", { agent }),
    own_agent_again: await get("own_agent_again", { agent }),
    no_agent: await get("no_agent", { agent: false }),
    worker: await inWorker("worker"),
  }),
);
agent.destroy();
