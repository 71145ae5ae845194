// TimescaleDB (WebAssembly) behind a TCP port of this machine, for tests. It lives as long as its standard input is open.
//
// One PostgreSQL backend, many connections: each gets it for the length of a transaction (backend.mjs), and finds its
// own prepared statements, settings and listens there (client.mjs).
import fs from 'node:fs'
import net from 'node:net'
import { parseArgs } from 'node:util'
import { Backend } from './backend.mjs'
import { Client } from './client.mjs'

const { values } = parseArgs({
  options: {
    modules: { type: 'string' }, // folder in which `npm ci` was run
    snapshot: { type: 'string' }, // file; made when missing
    port: { type: 'string', default: '0' },
    'wait-ms': { type: 'string', default: '30000' }, // how long a connection waits for the transaction of another
    'report-fd': { type: 'string', default: '1' } // the port is written there, as this build litters standard output
  }
})

const backend = await Backend.open({ modules: values.modules, snapshot: values.snapshot, waitMs: Number(values['wait-ms']) })
const server = net.createServer(socket => new Client(backend, socket))
server.listen(Number(values.port), '127.0.0.1', () => {
  fs.writeSync(Number(values['report-fd']), `${server.address().port}\n`)
})
process.stdin.on('end', () => process.exit(0)).resume() // dies with the parent, however that dies
process.on('SIGINT', () => {}) // Ctrl-C is for the parent
