// The one PostgreSQL inside this process, and the queue of the clients that share it.
import fs from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { errorIn, query } from './wire.mjs'

// This build's own command line sets odd values, and RESET ALL goes back to those.
const NORMAL = [
  'search_path TO "$user", public', 'client_min_messages TO notice', 'log_min_messages TO warning',
  'enable_seqscan TO on', 'exit_on_error TO off', 'allow_system_table_mods TO off', "timezone TO 'UTC'"
].map(setting => `SET ${setting}`).join(';')

export class Backend {
  #database
  #holder = null // the client whose transaction is open
  #waiting = []
  #waitMs
  #dressedAs = '' // the session state that is in effect

  // Open a database from the snapshot file, which is made when it is missing: that is three times as fast as initdb.
  static async open ({ modules, snapshot, waitMs }) {
    const packageFolder = path.join(modules, 'node_modules/@electric-sql/pglite/dist')
    const { PGlite } = await import(pathToFileURL(path.join(packageFolder, 'index.js')))
    const { timescaledb } = await import(pathToFileURL(path.join(packageFolder, 'timescaledb/index.js')))
    const saved = fs.existsSync(snapshot)
    const database = await PGlite.create({
      extensions: { timescaledb },
      ...(saved ? { loadDataDir: new Blob([fs.readFileSync(snapshot)]) } : {})
    })
    // Without shared_preload_libraries a loaded folder refuses the features of the community licence until it is loaded.
    await database.exec("LOAD 'timescaledb'")
    await database.exec('CREATE EXTENSION IF NOT EXISTS timescaledb')
    if (!saved) {
      const partial = `${snapshot}.${process.pid}`
      fs.writeFileSync(partial, Buffer.from(await (await database.dumpDataDir('none')).arrayBuffer()))
      fs.renameSync(partial, snapshot)
    }
    const backend = new Backend(database, waitMs)
    await backend.send(query(NORMAL))
    return backend
  }

  constructor (database, waitMs) {
    this.#database = database
    this.#waitMs = waitMs
  }

  // Hand messages to PostgreSQL; its reply. An error reported by PostgreSQL is part of the reply.
  async send (bytes) {
    try {
      return Buffer.from((await this.#database.execProtocol(new Uint8Array(bytes), { throwOnError: false, syncToFs: false })).data)
    } catch (error) {
      // A trap in WebAssembly leaves it unusable for good. Whoever waits for us sees the process end.
      console.error('The WebAssembly backend died:', error)
      process.exit(70)
    }
  }

  // Wait until no other client has a transaction open, and become the holder.
  acquire (client) {
    if (this.#holder === client || this.#holder === null) {
      this.#holder = client
      return Promise.resolve()
    }
    return new Promise((resolve, reject) => {
      const entry = { client, resolve, reject }
      entry.timer = setTimeout(() => this.forget(client, new Error(
        `waited ${this.#waitMs} ms for the transaction of another connection; this test server has one backend`
      )), this.#waitMs)
      this.#waiting.push(entry)
    })
  }

  holds (client) { return this.#holder === client }

  release (client) {
    if (this.#holder !== client) return
    const next = this.#waiting.shift()
    this.#holder = next ? next.client : null
    if (next) {
      clearTimeout(next.timer)
      next.resolve()
    }
  }

  // Take a client out of the queue.
  forget (client, error) {
    const at = this.#waiting.findIndex(entry => entry.client === client)
    if (at < 0) return
    const [entry] = this.#waiting.splice(at, 1)
    clearTimeout(entry.timer)
    entry.reject(error)
  }

  // Make the session state (SET commands, the role) that of the client whose turn it is.
  async dress (state, { anew = false } = {}) {
    if (state === this.#dressedAs && !anew) return
    const reply = await this.send(query(`SET SESSION AUTHORIZATION postgres;RESET ALL;${NORMAL};${state}`))
    const problem = errorIn(reply)
    this.#dressedAs = problem ? null : state
    if (problem) throw new Error(problem)
  }

  // The client itself has just changed its session state, and so the backend's.
  dressed (state) { this.#dressedAs = state }
}
