const CLIENTS = new URL('../../../clients/', import.meta.url).href

export const resolve = (specifier, context, next) =>
  next(specifier, context.parentURL?.startsWith(CLIENTS) && !specifier.startsWith('.')
    ? { ...context, parentURL: import.meta.url }
    : context)
