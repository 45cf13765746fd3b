-- What wrk sends: photos from a list of files, one after another, as multipart or as the raw body; and what it prints.
local boundary = "photograft-benchmark-boundary"
local requests, number = {}, 0

function init(arguments)
  local form = arguments[1]  -- field name of the multipart form, or "raw"
  for name in io.lines(arguments[2]) do
    local file = assert(io.open(name, "rb"))
    local photo = file:read("*all")
    file:close()
    local body, kind = photo, "image/jpeg"
    if form ~= "raw" then
      kind = "multipart/form-data; boundary=" .. boundary
      body = "--" .. boundary .. '\r\nContent-Disposition: form-data; name="' .. form .. '"; filename="photo.jpg"\r\n'
        .. "Content-Type: image/jpeg\r\n\r\n" .. photo .. "\r\n--" .. boundary .. "--\r\n"
    end
    requests[#requests + 1] = wrk.format("POST", nil, { ["Content-Type"] = kind }, body)
  end
end

function request()
  number = number % #requests + 1
  return requests[number]
end

function done(summary, latency, _)
  io.write(string.format(
    '{"seconds": %f, "requests": %d, "not_2xx": %d, "failed": %d, "p50_ms": %f, "p95_ms": %f, "p99_ms": %f, "max_ms": %f}\n',
    summary.duration / 1e6, summary.requests, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3))
end
