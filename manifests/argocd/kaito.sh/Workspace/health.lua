-- Health of a Workspace. Asked in this order: gone, not looked at, stalled, ready, else at work.
-- kstatus asks for Reconciling before Stalled; a Workspace never has both, so both say the same.
local hs = { status = "Progressing", message = "Waiting for the controller" }

if obj.metadata.deletionTimestamp ~= nil then
  hs.message = "Nodes and workload are being given back"
  return hs
end

if obj.status == nil or obj.status.conditions == nil then
  return hs
end

local generation = obj.metadata.generation
if generation ~= nil and obj.status.observedGeneration ~= generation then
  return hs
end

local conditions = {}
for _, condition in ipairs(obj.status.conditions) do
  conditions[condition.type] = condition
end

local stalled = conditions["Stalled"]
if stalled ~= nil and stalled.status == "True" then
  return { status = "Degraded", message = stalled.reason .. ": " .. (stalled.message or "") }
end

local ready = conditions["Ready"]
if ready == nil then
  return hs
end
if ready.status == "True" then
  return { status = "Healthy", message = ready.message or "" }
end
hs.message = ready.reason .. ": " .. (ready.message or "")
return hs
