// The values of all metrics over time, as the app gives them; bounded in series and points.

const MOST_SERIES = 2000;
const MOST_POINTS = 600;

export class MetricsHistory {
  constructor() {
    this.newest = 0;
    this.families = [];
  }

  // Takes a document of the app with what is newer than `newest`.
  add({ times, families }) {
    if (!times.length) return;
    this.newest = times[times.length - 1];
    const known = new Map(this.families.map((family) => [family.name, new Map(family.series.map((each) => [each.id, each]))]));
    let count = 0;
    this.families = families.map((family) => {
      const before = known.get(family.name);
      const series = [];
      for (const each of family.series) {
        if (++count > MOST_SERIES) break;
        const id = `${each.name} ${JSON.stringify(each.labels)}`;
        const points = before && before.has(id) ? before.get(id).points.slice(-MOST_POINTS + 1) : [];
        each.values.forEach((value, at) => points.push([times[at], value]));
        series.push({ id, name: each.name, labels: each.labels, rate: each.rate, points: points.slice(-MOST_POINTS) });
      }
      return { name: family.name, help: family.help, series };
    });
  }
}
