"use strict";

// Sphinx 9.0 names a stemmer for Chinese pages that it does not define; Latin words are English.
function ChineseStemmer() {
  return new EnglishStemmer();
}

// Sphinx cuts Chinese pages into words with jieba, but a query only at spaces. This cuts a query
// into the longest words that the index knows; searchtools.js uses `splitQuery` if it exists.
function splitQuery(query) {
  const known = (word) =>
    Search._index && (word in Search._index.terms || word in Search._index.titleterms);
  const words = [];
  for (const part of query.split(/[^\p{Letter}\p{Number}_]+/u).filter(Boolean)) {
    for (const run of part.match(/\p{Script=Han}+|[^\p{Script=Han}]+/gu)) {
      if (!/\p{Script=Han}/u.test(run)) {
        words.push(run);
        continue;
      }
      for (let start = 0; start < run.length; ) {
        let end = run.length;
        while (end > start + 1 && !known(run.slice(start, end))) end -= 1;
        if (known(run.slice(start, end)) || run.length === 1) words.push(run.slice(start, end));
        start = end;
      }
    }
  }
  return words.length ? words : [query];
}
