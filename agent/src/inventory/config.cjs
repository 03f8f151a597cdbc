// Asks Prisma's own loader what a prisma.config.* says; `node -e` runs it with one argument, a list of
// {root, file, package} in JSON. Prints one line for each of them and no value of any variable.
'use strict'
const fs = require('node:fs')
const path = require('node:path')
const { createRequire, _cache: modules } = require('node:module')

const image = { ...process.env }

// The variables that a configuration asks for, and those that stand in for what only the Job will set.
class Variables {
  constructor() {
    this.read = new Set()
    this.standIns = new Map()
    this.demanded = new Set()
    this.enumerated = false
  }

  standIn(name) {
    const number = this.standIns.size + 1
    this.standIns.set(name, `postgresql://dbm:dbm@dbm.invalid:5432/dbm?dbm=${number}`)
  }

  use(set) {
    const values = { ...set, ...Object.fromEntries(this.standIns) }
    process.env = new Proxy(values, {
      get: (target, name) => this.note(name) && target[name],
      has: (target, name) => this.note(name) && name in target,
      getOwnPropertyDescriptor: (target, name) => {
        // Those who ask for all names ask so for each of them.
        if (!this.enumerated) this.note(name)
        return Reflect.getOwnPropertyDescriptor(target, name)
      },
      ownKeys: (target) => {
        if (asked()) this.enumerated = true
        return Reflect.ownKeys(target)
      },
      set: (target, name, value) => {
        target[name] = String(value)
        return true
      },
    })
    return values
  }

  note(name) {
    if (typeof name === 'string' && asked()) this.read.add(name)
    return true
  }

  // What it asked for, and nobody sets: neither the image nor a file that the configuration loads.
  unset() {
    return [...this.read].filter((name) => !process.env[name] && !this.standIns.has(name))
  }
}

// Whether the configuration asks, or Prisma's env() for it, and not a library for itself.
function asked() {
  const { stackTraceLimit, prepareStackTrace } = Error
  Error.stackTraceLimit = 50
  Error.prepareStackTrace = undefined
  const frames = new Error().stack.split('\n').slice(1)
  Error.stackTraceLimit = stackTraceLimit
  Error.prepareStackTrace = prepareStackTrace
  // The first one with a file. The outermost one of a CommonJS file is `at Object.<anonymous> (/file:1:1)`.
  const outside = frames.find((frame) => /(?:\(|at (?:async )?)(?:file:\/\/)?\/.*:\d+:\d+\)*$/.test(frame))
  if (outside === undefined || !outside.includes('/node_modules/')) return outside !== undefined
  return outside.includes('/@prisma/config/') && /at (?:\S+\.)?env \(/.test(outside)
}

// What stands in the file itself. A CommonJS file of a form that this Prisma certainly takes needs no loader, and Prisma's takes
// its time to start.
async function load({ root, file, package: prisma }) {
  // Each time from its beginning: what it read under other circumstances is not what is asked for.
  for (const loaded of Object.keys(modules)) {
    if (!loaded.includes('/node_modules/')) delete modules[loaded]
  }
  let common
  if (file && file.endsWith('.cjs')) {
    try {
      const loaded = createRequire(file)(file)
      const config = loaded && loaded.default !== undefined ? loaded.default : loaded
      if (config && typeof config === 'object' && typeof config.then !== 'function') common = { config: absolute(config, file), file }
      if (common && takes(prisma, config)) return common
    } catch {
      // Prisma's own loader says what is wrong.
    }
  }
  let loader
  try {
    loader = createRequire(fs.realpathSync(prisma))('@prisma/config')
  } catch {
    loader = undefined
  }
  if (typeof loader?.loadConfigFromFile !== 'function') return common ?? { noLoader: true }
  const loaded = await loader.loadConfigFromFile({ configRoot: root, configFile: file })
  if (loaded.error) {
    const error = loaded.error.error ?? new Error(loaded.error._tag)
    return { error, refused: loaded.error._tag === 'ConfigFileSyntaxError' ? refusal(error) : undefined }
  }
  return { config: loaded.config, file: loaded.resolvedPath }
}

// Whether this version of Prisma certainly takes a configuration of this form. It refuses what it does not know, and what
// does not go together.
function takes(prisma, config) {
  let version
  try {
    version = JSON.parse(fs.readFileSync(path.join(path.dirname(fs.realpathSync(prisma)), '../package.json'), 'utf8')).version
  } catch {
    return false
  }
  const six = /^6\.19\./.test(version)
  if (!six && !/^7\./.test(version)) return false
  const text = (value) => value === undefined || typeof value === 'string'
  const flag = (value) => value === undefined || typeof value === 'boolean'
  const of = (value, kinds) =>
    value !== null && typeof value === 'object' && Object.keys(value).every((key) => Object.hasOwn(kinds, key) && kinds[key](value[key]))
  const maybe = (kinds) => (value) => value === undefined || of(value, kinds)
  const common = { schema: text, migrations: maybe({ path: text, seed: (value) => text(value) && value !== '' }) }
  // Without a URL: what it lacks is found out elsewhere.
  const urls = { url: text, shadowDatabaseUrl: text }
  if (!six) return of(config, { ...common, datasource: maybe(urls) })
  common.experimental = maybe({ adapter: flag })
  if (config.engine === 'js') {
    const adapter = (value) => typeof value === 'function'
    return config.experimental?.adapter === true && of(config, { ...common, engine: text, adapter }) && adapter(config.adapter)
  }
  if (config.engine === 'classic') {
    const datasource = (value) => of(value, { ...urls, directUrl: text }) && Object.hasOwn(value, 'url')
    return of(config, { ...common, engine: text, datasource }) && datasource(config.datasource)
  }
  return of(config, common)
}

// What it refuses in a form: the ends of a tree of keys and complaints, each branch for a form that it might have been.
function refusal(error) {
  const keys = []
  const found = new Set()
  for (const line of String(error?.message ?? error).split('\n')) {
    const [, indent, said] = /^([ │├└─]*)(.*)$/.exec(line)
    const depth = indent.length
    while (keys.length > 0 && keys[keys.length - 1].depth >= depth) keys.pop()
    const key = /^\["([\w.-]+)"\]$/.exec(said)
    if (key) keys.push({ depth, name: key[1] })
    const complaint = /^is (?:missing|unexpected)/.exec(said) ?? (/^Expected .*, actual /.test(said) ? ['is of another kind'] : undefined)
    const own = keys.length > 0 && !['loadedFromFile', 'deprecatedPackageJson'].includes(keys[0].name)
    if (complaint && own) found.add(`${keys.map((each) => each.name).join('.')} ${complaint[0]}`)
  }
  const all = [...found]
  const causes = all.filter((each) => !all.some((other) => other.startsWith(`${each.split(' ')[0]}.`)))
  // A part that is not turned on is refused for a reason that has nothing to do with it.
  const text = causes.length > 0 ? `: ${causes.join(', or ')}` : ''
  return `this version of Prisma does not take it${text} (some parts have to be turned on in its experimental)`
}

function absolute(config, file) {
  const from = (value) => (value ? path.resolve(path.dirname(file), value) : undefined)
  const migrations = { ...config.migrations, path: from(config.migrations?.path) }
  return { ...config, schema: from(config.schema), migrations }
}

async function one(wanted) {
  const variables = new Variables()
  let loaded
  let values
  let alternatives = []
  for (let round = 0; round < 20; round += 1) {
    process.chdir(wanted.root)
    values = variables.use(image)
    loaded = await load(wanted)
    if (loaded.noLoader) return { noLoader: true }
    const missing = lacking(loaded, variables)
    if (missing.length === 0) break
    // As in `process.env.A ?? process.env.B`: which of them will be set is not known.
    if (saysNoUrl(loaded) && missing.length > 1) alternatives = await sufficient(wanted, variables, missing)
    // Those that are not for the URL stay unset, as a path that is named by one of them.
    const needed = alternatives.length > 0 ? alternatives : missing
    needed.forEach((name) => variables.standIn(name))
  }
  if (lacksDirectUrl(loaded)) {
    const found = await withDirectUrl(wanted, variables)
    loaded = found?.loaded ?? loaded
    values = found?.values ?? values
  }
  const unset = [...variables.standIns.keys()]
  if (loaded.error) {
    const certain = unset.length === 0 && !variables.enumerated
    return { error: loaded.refused ?? firstLine(loaded.error), certain, unset }
  }
  const { config, file } = loaded
  if (!file) return {}
  const isAlternative = (name) => alternatives.length > 1 && alternatives.includes(name)
  const from = (url) => {
    if (typeof url !== 'string' || url === '') return null
    const variable = [...variables.read].find((name) => values[name] === url) ?? null
    return { variable: isAlternative(variable) ? null : variable }
  }
  const text = (value) => (typeof value === 'string' ? value : null)
  const schema = text(config.schema?.filePath ?? config.schema?.folderPath ?? config.schema)
  const migrations = text(config.migrations?.path)
  const standsIn = [schema, migrations].some((found) => found?.includes('dbm.invalid'))
  if (standsIn) return { error: 'its paths are made of variables that only the Job sets', certain: false, unset }
  const adapter = config.engine === 'js' || config.adapter !== undefined || config.migrate?.adapter !== undefined
  const datasource = adapter ? undefined : config.datasource
  const url = from(datasource?.url)
  const directUrl = from(datasource?.directUrl)
  const urls = [url?.variable, directUrl?.variable]
  const tables = config.tables?.external
  return {
    file,
    schema,
    migrations,
    adapter,
    datasource: datasource !== undefined && datasource !== null,
    url,
    directUrl,
    externalTables: Array.isArray(tables) ? tables.filter((table) => typeof table === 'string') : [],
    read: [...variables.read].filter((name) => !urls.includes(name) && !variables.demanded.has(name)),
    unset: unset.filter((name) => urls.includes(name) || variables.demanded.has(name)),
    sets: Object.keys(values).filter((name) => !(name in image) && !variables.standIns.has(name)),
  }
}

function saysNoUrl(loaded) {
  const datasource = loaded.error ? undefined : loaded.config?.datasource
  return datasource !== undefined && datasource !== null && !datasource.url
}

// It has one, by which Prisma migrates, and its variable is not set here.
function lacksDirectUrl(loaded) {
  const datasource = loaded.error ? undefined : loaded.config?.datasource
  return Boolean(datasource?.url) && Object.hasOwn(datasource, 'directUrl') && !datasource.directUrl
}

// The same with the variable standing in that it takes for it, if there is one.
async function withDirectUrl(wanted, variables) {
  const { env } = process
  const standIns = new Map(variables.standIns)
  for (const name of variables.unset()) {
    variables.standIn(name)
    const values = variables.use(image)
    const loaded = await load(wanted)
    if (!loaded.error && loaded.config?.datasource?.directUrl) return { loaded, values }
    variables.standIns = new Map(standIns)
    process.env = env
  }
  return undefined
}

// Those of them by each of which alone it has a URL.
async function sufficient(wanted, variables, names) {
  const found = []
  const before = new Map(variables.standIns)
  for (const name of names) {
    variables.standIn(name)
    variables.use(image)
    const loaded = await load(wanted)
    if (!loaded.error && !saysNoUrl(loaded)) found.push(name)
    variables.standIns = new Map(before)
  }
  variables.use(image)
  return found
}

// The variables without which it says nothing, or nothing of the connection.
function lacking(loaded, variables) {
  if (!loaded.error) return saysNoUrl(loaded) ? variables.unset() : []
  const message = String(loaded.error?.message ?? loaded.error)
  const named = /environment variable: ?([A-Za-z_]\w*)/.exec(message)
  if (named && !process.env[named[1]]) {
    variables.demanded.add(named[1])
    return [named[1]]
  }
  const more = variables.enumerated ? message.match(/\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b/g) ?? [] : []
  const unset = more.filter((name) => !process.env[name] && !variables.standIns.has(name))
  return [...new Set([...variables.unset(), ...unset])].slice(0, 50)
}

function firstLine(error) {
  const text = String(error?.message ?? error)
  let line = text.split('\n').map((part) => part.trim()).find((part) => part !== '') ?? ''
  // What is quoted so may be a value, as in what JSON.parse says; and no variable's value is to be seen, but for a path.
  line = line.replace(/"[^"]*"/g, '"..."')
  for (const value of Object.values(process.env)) {
    if (value && value.length >= 6 && !value.startsWith('/')) line = line.replaceAll(value, '...')
  }
  return line.slice(0, 300)
}

async function main() {
  const wanted = JSON.parse(process.argv[1])
  const [node] = process.argv
  for (const [number, each] of wanted.entries()) {
    let said
    // As when Prisma migrates.
    process.argv = [node, each.package ?? 'prisma', 'migrate', 'deploy']
    process.execArgv = []
    try {
      said = await one(each)
    } catch (error) {
      said = { error: firstLine(error), certain: false, unset: [] }
    }
    fs.writeSync(1, `\nDBM-CONFIG ${JSON.stringify({ number, said })}\n`)
  }
  process.exit(0)
}

main()
