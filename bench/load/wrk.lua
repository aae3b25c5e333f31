-- The plain load: one static POST, formatted once by wrk. `done` prints its numbers as one JSON line.
-- Arguments behind `--`: file with the request body, content type.
function init(args)
  local file = assert(io.open(args[1], 'rb'))
  wrk.method = 'POST'
  wrk.body = file:read('*a')
  wrk.headers['Content-Type'] = args[2]
  file:close()
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\nRESULT {"requests":%d,"durationUs":%d,"bytes":%d,"p50Us":%d,"p99Us":%d,"cpuSeconds":%.3f,' ..
      '"connectErrors":%d,"readErrors":%d,"writeErrors":%d,"statusErrors":%d,"timeouts":%d}\n',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99), os.clock(),
    errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
