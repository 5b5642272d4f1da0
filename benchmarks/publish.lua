-- wrk: POST one small record
wrk.method = "POST"
wrk.body = '{"order":1}'
wrk.headers["Content-Type"] = "application/json"
wrk.headers["x-plt-kafka-hooks-key"] = "key"
