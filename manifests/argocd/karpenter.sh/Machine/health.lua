-- Health of a Machine: Ready is derived from its stages, the first that is not done is told.
local hs = { status = "Progressing", message = "Waiting for the provisioner" }

if obj.metadata.deletionTimestamp ~= nil then
  hs.message = "The node is being given back"
  return hs
end

if obj.status == nil or obj.status.conditions == nil then
  return hs
end

local conditions = {}
for _, condition in ipairs(obj.status.conditions) do
  conditions[condition.type] = condition
end

local ready = conditions["Ready"]
if ready ~= nil and ready.status == "True" then
  return { status = "Healthy", message = "The node is usable" }
end

for _, stage in ipairs({ "MachineLaunched", "MachineRegistered", "MachineInitialized" }) do
  local condition = conditions[stage]
  if condition ~= nil and condition.status ~= "True" then
    hs.message = (condition.reason or stage) .. ": " .. (condition.message or "")
    -- What takes its time is Unknown; False is a failure, save for a stage nobody has looked at.
    if condition.status == "False" and condition.reason ~= "MachineNotLaunched" then
      hs.status = "Degraded"
    end
    return hs
  end
end
return hs
